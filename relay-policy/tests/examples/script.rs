//! Examples as they are written.
//!
//! | line | is |
//! | --- | --- |
//! | `== id or section, title` | the beginning of an example |
//! | `name = value` | a parameter, over those of [`BASE`]; before the first example: for all of the file |
//! | `--- name` … `---` | a file that tables are read from |
//! | `: word …` | a fact, see [`crate::facts`] |
//! | `> COMMAND …` | a command: CONNECT, HELO, EHLO, MAIL, RCPT, VRFY, DATA, EOM, ETRN |
//! | `< reply` | what it is answered; `accepted` |
//! | `? question …` | what is asked before, each once, in its order; of a policy service, attributes that it is told; `? nothing` |
//! | `+ effect` | what is done besides: all of it |
//! | `~ line` | what is logged: all of it, if there is such a line |
//! | `! words` | the policy does not compile, for this reason |
//! | `@ id parameter` | a doubt: all of them, if there is such a line; `@ none` where there is none |

use std::collections::BTreeMap;

/// The environment of the examples, as section 17 of the specification has it.
pub(crate) const BASE: [(&str, &str); 6] = [
    ("mynetworks", "127.0.0.0/8, 192.0.2.0/24"),
    ("mydestination", "example.com, localhost"),
    ("relay_domains", "relay.example"),
    ("virtual_alias_domains", "va.example"),
    ("virtual_mailbox_domains", "vm.example"),
    ("smtpd_relay_restrictions", ""),
];

#[derive(Debug, Clone, Default)]
pub(crate) struct Example {
    pub(crate) title: String,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) steps: Vec<Step>,
    /// Why it does not compile.
    pub(crate) broken: Option<String>,
    pub(crate) doubts: Option<Vec<String>>,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Fact(String),
    Command(Command),
}

/// A command, and what is to come of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Command {
    pub(crate) written: String,
    pub(crate) reply: String,
    pub(crate) asked: Option<Vec<String>>,
    pub(crate) effects: Vec<String>,
    pub(crate) log: Option<Vec<String>>,
}

/// The examples of a file.
pub(crate) fn read(text: &str) -> Vec<Example> {
    let mut common = Example::default();
    common.parameters.extend(BASE.map(|(name, value)| (name.into(), value.into())));
    let mut examples: Vec<Example> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix("== ") {
            examples.push(Example { title: title.into(), ..common.clone() });
            continue;
        }
        let example = examples.last_mut().unwrap_or(&mut common);
        if let Some(name) = line.strip_prefix("--- ") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "---").collect();
            example.files.insert(name.into(), text.join("\n") + "\n");
            continue;
        }
        add(example, line);
    }
    examples
}

fn add(example: &mut Example, line: &str) {
    let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
    let told = |example: &mut Example| match example.steps.last_mut() {
        Some(Step::Command(command)) => std::mem::take(command),
        _ => panic!("{}: {line}: to which command?", example.title),
    };
    let put = |example: &mut Example, command| *example.steps.last_mut().unwrap() = Step::Command(command);
    match mark {
        ":" => example.steps.push(Step::Fact(rest.into())),
        ">" => {
            let command = Command { written: rest.into(), reply: "accepted".into(), ..Command::default() };
            example.steps.push(Step::Command(command));
        }
        "<" => {
            let command = told(example);
            put(example, Command { reply: rest.into(), ..command });
        }
        "?" | "+" | "~" => {
            let mut command = told(example);
            let texts = match mark {
                "?" => command.asked.get_or_insert_default(),
                "~" => command.log.get_or_insert_default(),
                _ => &mut command.effects,
            };
            texts.extend(Some(rest).filter(|rest| *rest != "nothing").map(str::to_owned));
            put(example, command);
        }
        "!" => example.broken = Some(rest.into()),
        "@" => {
            let doubts = example.doubts.get_or_insert_default();
            doubts.extend(Some(rest).filter(|rest| *rest != "none").map(str::to_owned));
        }
        name => {
            let value = rest.strip_prefix('=').unwrap_or_else(|| panic!("{}: {line}?", example.title));
            example.parameters.push((name.into(), value.trim().into()));
        }
    }
}
