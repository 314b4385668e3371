//! Any octets as questions of another mail server, and as the configuration of one.

use crate::Parameters;
use crate::delegation::{Attributes, Inquiry, Reader};
use crate::main_cf::{MainCf, MasterCf};
use crate::qmail::{TcpRules, import, more_hosts};

/// What is read of a connection is the same however it is cut, comes back as it was written, and is a question or none.
///
/// # Panics
/// When that is not so.
pub fn fuzz_delegation(octets: &[u8]) {
    let whole = read(octets.chunks(octets.len().max(1)));
    assert_eq!(read(octets.chunks(1)), whole, "cut into octets, they are other questions");
    for attributes in &whole.0 {
        // Whether it is a question is all that may come of it.
        let _ = Inquiry::read(attributes, "example.com");
        let mut written = Vec::new();
        attributes.write_to(&mut written);
        assert_eq!(read([&*written].into_iter()).0, std::slice::from_ref(attributes));
    }
}

/// The attributes of all questions, and the error that ended them.
fn read<'o>(pieces: impl Iterator<Item = &'o [u8]>) -> (Vec<Attributes>, Option<String>) {
    let (mut reader, mut questions) = (Reader::new(), Vec::new());
    for mut piece in pieces {
        while !piece.is_empty() {
            match reader.read(piece) {
                Ok((taken, question)) => {
                    piece = &piece[taken..];
                    questions.extend(question);
                }
                Err(error) => return (questions, Some(error.to_string())),
            }
        }
    }
    (questions, None)
}

/// The files of a Postfix or a qmail, with zero octets between them: what is imported of a qmail can be set, and a Postfix's values
/// are there or are refused.
///
/// # Panics
/// When that is not so.
pub fn fuzz_import(octets: &[u8]) {
    let texts: Vec<String> =
        octets.split(|octet| *octet == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    let text = |index: usize| texts.get(index).cloned().unwrap_or_default();
    if let (Ok(main), Ok(master)) =
        (MainCf::parse("main.cf", &text(0)), MasterCf::parse("master.cf", &text(1)))
    {
        for service in master.services() {
            let main = main.with(&service.options);
            for parameter in main.parameters() {
                let _ = main.value(&parameter.name, &|_| None);
            }
        }
    }
    // What is compiled and what is not.
    let _ = more_hosts(octets.to_vec());
    let rules = TcpRules::from_cdb(octets.to_vec()).ok().or_else(|| TcpRules::parse(&text(0)).ok());
    const FILES: [&str; 8] = [
        "locals",
        "rcpthosts",
        "virtualdomains",
        "badmailfrom",
        "badhelo",
        "smtproutes",
        "users/assign",
        "~joe/.qmail-list",
    ];
    let files = FILES.into_iter().zip(&texts).map(|(name, text)| (name.to_owned(), text.clone())).collect();
    let imported = import(&files, rules.as_ref());
    let mut parameters = Parameters::default();
    for (name, value) in &imported.parameters {
        if let Err(error) = parameters.set(name, value) {
            panic!("{name} = {value}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{fuzz_delegation, fuzz_import};
    use proptest::prelude::*;

    /// So many of these pieces, and now and then any octets.
    fn of(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => prop::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..6),
        ];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    const QUESTIONS: &[&str] = &[
        "request=smtpd_access_policy\n",
        "protocol_state=RCPT\n",
        "protocol_state=",
        "client_address=192.0.2.1\r\n",
        "sender=a@b.test\n",
        "recipient=\"a b\"@c.test\n",
        "size=12\n",
        "=",
        "\n",
        "\r",
    ];

    const FILES: &[&str] = &[
        "a = $b\n",
        "b = ${a?{x}:{y}}\n",
        " more",
        "smtp inet n - y - - smtpd\n -o a=$b\n",
        "example.org\n",
        ".below.test\n",
        "a.test:joe-x\n",
        ":joe\n",
        "@spam.test\n",
        "*@[a-z].test\n",
        "!ok@*\n",
        "=ann:joe:1:1:/home/joe:-:x:\n",
        "+a-:ann:1:1:/:::\n",
        "&you@far.test\n",
        "./Maildir/\n",
        "192.0.2.:allow,RELAYCLIENT=\"\"\n",
        "=.x.test:deny\n",
        "\0",
        "#",
        ",",
        "{",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_octets_as_questions(octets in of(QUESTIONS)) {
            fuzz_delegation(&octets);
        }

        #[test]
        fn any_octets_as_a_configuration(octets in of(FILES)) {
            fuzz_import(&octets);
        }
    }
}
