//! Milters that a Postfix asks are asked here.

use crate::common::program;
use crate::{toml, write};

#[test]
fn milters_are_carried_over_for_all_and_for_one_listener() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let main_cf = "compatibility_level = 3.6\nmyhostname = mx.test\ninet_protocols = ipv4\nalias_maps =\n\
        queue_directory = DIR/queue\nmilter_default_action = accept\nmilter_command_timeout = 10\nmilter_protocol = 4\n\
        smtpd_milters = inet:localhost:8891 unix:opendkim/s, local:/inside, unix:/run/outside\n  \
        { inet:[::1]:11332, connect_timeout=10s, default_action=tempfail }\n\
        milter_mail_macros = i {client_addr}\nmilter_macro_v = $mail_name\nsmtpd_milter_maps = inline:{192.0.2.1=DISABLE}\n\
        non_smtpd_milters = $smtpd_milters\n";
    let master_cf = "\
25 inet n - y - - smtpd
587 inet n - y - - smtpd -o smtpd_milters=unix:sign -o milter_macro_daemon_name=ORIGINATING
10025 inet n - y - - smtpd -o smtpd_milters=
";
    // What lies in the queue's directory alone, an SMTP server that is shut up there means.
    let files = [("main.cf", main_cf), ("master.cf", master_cf), ("queue/inside", "")];
    write(directory, &files);
    let (good, printed, told) = program(&["import-postfix", "."], directory);
    assert!(good, "{told}");
    let written = toml(&printed);
    let queue = directory.join("queue").display().to_string();
    assert_eq!(
        written["policy"]["smtpd_milters"].to_string(),
        format!(
            "[\"inet:localhost:8891\", \"unix:{queue}/opendkim/s\", \"unix:{queue}/inside\", \"unix:/run/outside\", \
             \"{{ inet:[::1]:11332, connect_timeout=10s, default_action=tempfail }}\"]"
        )
    );
    for (name, value) in [
        ("milter_default_action", "accept"),
        ("milter_command_timeout", "10s"),
        ("milter_protocol", "4"),
        ("milter_mail_macros", "i {client_addr}"),
        ("milter_macro_v", "Postfix"),
    ] {
        assert_eq!(written["policy"][name].as_str(), Some(value), "{printed}");
    }
    let [_, signing, without] = written["listener"].as_array().unwrap().as_slice() else {
        panic!("{printed}")
    };
    assert_eq!(signing["policy"]["smtpd_milters"].as_str(), Some(&*format!("unix:{queue}/sign")));
    assert_eq!(signing["policy"]["milter_macro_daemon_name"].as_str(), Some("ORIGINATING"));
    assert_eq!(without["policy"]["smtpd_milters"].as_str(), Some(""), "{printed}");
    for said in [
        "smtpd_milter_maps: paths of sockets in its tables are looked for from this configuration's directory",
        "non_smtpd_milters: not carried over: all mail comes by SMTP or LMTP here",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
}
