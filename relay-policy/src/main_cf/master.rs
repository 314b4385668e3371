//! The lines of a `master.cf`: which services there are, and what each has in place of the common parameters.
//!
//! A line has eight words (the service's name, its type, whether it is private, unprivileged, in a chroot, when it wakes up,
//! how many processes it may have, its program), and then the program's arguments. Of these, `-o name=value` and
//! `-o { name = value }` set parameters; the others are kept as they are. The form is that of Postfix's `master(5)`.

use super::{MainCfError, Parameter, error, is_white_space, logical_lines};

/// The services of a file.
///
/// ```
/// use relay_policy::main_cf::{MainCf, MasterCf};
///
/// let text = "submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n  -o { smtpd_client_restrictions = $mine }\n";
/// let master_cf = MasterCf::parse("master.cf", text)?;
/// let service = &master_cf.services()[0];
/// assert_eq!((&*service.name, &*service.kind, &*service.program), ("submission", "inet", "smtpd"));
/// let main_cf = MainCf::parse("main.cf", "mine = permit_sasl_authenticated, reject\n")?.with(&service.options);
/// let value = main_cf.value("smtpd_client_restrictions", &|_| None)?;
/// assert_eq!(value.as_deref(), Some("permit_sasl_authenticated, reject"));
/// # Ok::<(), relay_policy::main_cf::MainCfError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MasterCf {
    services: Vec<Service>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name; of an `inet` service the port, or `host:port`.
    pub name: String,
    /// Its type: `inet`, `unix`, `fifo`, `pass` or `unix-dgram`.
    pub kind: String,
    /// The program that serves.
    pub program: String,
    /// Its arguments, but those in `options`.
    pub arguments: Vec<String>,
    /// The parameters that it has of its own, in the order in which they stand; a later one counts.
    pub options: Vec<Parameter>,
    /// The number of the first of its lines, from 1.
    pub line: usize,
}

impl MasterCf {
    /// Reads the text of a file. `file` is what errors call it.
    ///
    /// # Errors
    /// A line with fewer than eight words, an `-o` with nothing behind it that is `name=value`, a brace that does not close.
    pub fn parse(file: &str, text: &str) -> Result<Self, MainCfError> {
        let service = |(line, text): (usize, String)| {
            service(file, line, &text).map_err(|what| error(file, line, &what))
        };
        let services = logical_lines(file, text)?.into_iter().map(service).collect::<Result<_, _>>()?;
        Ok(Self { services })
    }

    /// The services, in the order of the file.
    pub fn services(&self) -> &[Service] {
        &self.services
    }
}

fn service(file: &str, line: usize, text: &str) -> Result<Service, String> {
    let mut words = words(text)?.into_iter();
    let mut fields = Vec::new();
    fields.extend(words.by_ref().take(8));
    let [name, kind, .., program] = fields.as_slice() else { return Err(short(text)) };
    if fields.len() < 8 {
        return Err(short(text));
    }
    let (mut arguments, mut options) = (Vec::new(), Vec::new());
    while let Some(word) = words.next() {
        let Some(behind) = word.strip_prefix("-o") else {
            arguments.push(word);
            continue;
        };
        let option = if behind.is_empty() { words.next().unwrap_or_default() } else { behind.to_string() };
        let (name, value) = option.split_once('=').ok_or("-o: expected name=value behind it")?;
        let (name, value) = (name.trim_matches(is_white_space), value.trim_matches(is_white_space));
        if name.is_empty() || name.contains(is_white_space) {
            return Err(format!("-o {option}: expected name=value"));
        }
        options.push(Parameter { name: name.into(), value: value.into(), file: file.into(), line });
    }
    let (name, kind, program) = (name.clone(), kind.clone(), program.clone());
    Ok(Service { name, kind, program, arguments, options, line })
}

fn short(text: &str) -> String {
    format!("{text:?} has fewer than the eight words of a service")
}

/// The words of a line; a word that begins with a brace ends with the one that closes it, and has neither.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(is_white_space);
    while !rest.is_empty() {
        let end = if rest.starts_with('{') {
            closing_brace(rest).ok_or_else(|| format!("a brace of \"{rest}\" does not close"))? + 1
        } else {
            rest.find(is_white_space).unwrap_or(rest.len())
        };
        let (word, behind) = rest.split_at(end);
        let inside = word.strip_prefix('{').and_then(|word| word.strip_suffix('}'));
        words.push(inside.map_or(word, |inside| inside.trim_matches(is_white_space)).to_string());
        rest = behind.trim_start_matches(is_white_space);
    }
    Ok(words)
}

fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Service, String> {
        let parsed = MasterCf::parse("master.cf", text).map_err(|error| error.to_string())?;
        Ok(parsed.services()[0].clone())
    }

    #[test]
    fn options_and_arguments() {
        let service = one(
            "# x\n127.0.0.1:587 inet n - y - - smtpd -v\n  -o a=b -oc=d\n# between\n  -o {e = f, {g} }\n",
        )
        .unwrap();
        assert_eq!((&*service.name, service.line), ("127.0.0.1:587", 2));
        assert_eq!(service.arguments, ["-v"]);
        let options: Vec<_> = service.options.iter().map(|o| (o.name.as_str(), o.value.as_str())).collect();
        assert_eq!(options, [("a", "b"), ("c", "d"), ("e", "f, {g}")]);
        let pipe = one(
            "maildrop unix - n n - - pipe\n flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}\n",
        );
        assert_eq!(pipe.unwrap().arguments.last().map(String::as_str), Some("${recipient}"));
    }

    #[test]
    fn what_is_no_service_is_told_with_its_line() {
        for (text, what) in [
            ("smtp inet n - y - -\n", "fewer than the eight words"),
            ("smtp inet n - y - - smtpd -o\n", "-o: expected name=value"),
            ("smtp inet n - y - - smtpd -o {a b = c}\n", "expected name=value"),
            ("smtp inet n - y - - smtpd -o { a = b\n", "does not close"),
            ("  smtp inet n - y - - smtpd\n", "begins with white space"),
        ] {
            let error = one(text).unwrap_err();
            assert!(error.starts_with("master.cf, line 1: ") && error.contains(what), "{text}: {error}");
        }
    }
}
