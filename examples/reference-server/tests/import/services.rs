//! What the services of `master.cf` become.

use crate::common::program;
use crate::{toml, write};

#[test]
fn services_become_listeners() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let master_cf = "\
smtp      inet n - y - 1 postscreen
smtpd     pass - - y - - smtpd -o smtpd_client_restrictions=reject_unknown_client_hostname
[::1]:26  inet n - y - - smtpd -o { mynetworks = $own, ::1 }
mx.test:27 inet n - y - - smtpd
strange   inet n - y - - smtpd
10465     inet n - y - - smtpd -o smtpd_tls_wrappermode=yes -o content_filter=scan:
";
    let main_cf =
        "compatibility_level = 3.6\nmyhostname = mx.test\ninet_protocols = ipv4\nown = 192.0.2.0/24\n";
    write(directory, &[("main.cf", main_cf), ("master.cf", master_cf)]);
    let (good, printed, told) = program(&["import-postfix", "."], directory);
    assert!(good, "{told}");
    let written = toml(&printed);
    let listeners: Vec<String> =
        written["listener"].as_array().unwrap().iter().map(ToString::to_string).collect();
    let [smtp, own, tls] = listeners.as_slice() else { panic!("{listeners:?}") };
    assert!(smtp.contains("\"0.0.0.0:25\"") && smtp.contains("\"reject_unknown_client_hostname\""), "{smtp}");
    assert!(
        own.contains("\"[::1]:26\"") && own.contains("mynetworks = [\"192.0.2.0/24\", \"::1\"]"),
        "{own}"
    );
    assert!(tls.contains("\"0.0.0.0:10465\"") && tls.contains("tls = \"implicit\""), "{tls}");
    for said in [
        "master.cf, line 4: mx.test:27 inet: mx.test: not carried over: names are not looked up",
        "master.cf, line 5: strange inet: not carried over: write the number of its port",
        "master.cf, line 6: 10465 inet: -o content_filter=scan:: not carried over",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
}

#[test]
fn options_of_services_are_adapted_as_what_holds_for_all() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let main_cf = "compatibility_level = 3.6\nmyhostname = mx.test\ninet_protocols = ipv4\nalias_maps =\n\
        luser_relay = $user@$mydomain\npostscreen_greet_wait = 10\npostscreen_greet_ttl = 2\n\
        postscreen_dnsbl_ttl = 2\npostscreen_greet_banner = $smtpd_banner\nlocal_transport = error:local mail delivery is disabled\n";
    let master_cf = "\
smtp      inet n - y - 1 postscreen -o postscreen_greet_action=enforce -o smtpd_milters=x
  -o soft_bounce=yes -o postscreen_nothing=x
smtpd     pass - - y - - smtpd -o smtpd_client_restrictions=permit -o postscreen_greet_wait=7
26        inet n - y - - smtpd
  -o { smtpd_recipient_restrictions = check_policy_service unix:private/greylist, check_sender_access mysql:/x }
  -o luser_relay=$local@x.test -o local_recipient_maps= -o { virtual_mailbox_maps = hash:/etc/postfix/v }
  -o { virtual_transport = lmtp:unix:x }
greylist  unix - n n - 0 spawn user=nobody argv=/usr/sbin/greylist
";
    write(directory, &[("main.cf", main_cf), ("master.cf", master_cf)]);
    let (good, printed, told) = program(&["import-postfix", "."], directory);
    assert!(good, "{told}");
    let written = toml(&printed);
    for (name, value) in [
        ("luser_relay", "$user@$mydomain"),
        ("postscreen_greet_wait", "10s"),
        ("postscreen_greet_ttl", "2d"),
        ("postscreen_dnsbl_max_ttl", "2h"),
        ("postscreen_greet_banner", "$smtpd_banner"),
        ("local_transport", "error:local mail delivery is disabled"),
    ] {
        assert_eq!(written["policy"][name].as_str(), Some(value), "{printed}");
    }
    let [waiting, other] = written["listener"].as_array().unwrap().as_slice() else { panic!("{printed}") };
    assert_eq!(waiting["postscreen"].as_bool(), Some(true));
    for (name, value) in [
        ("smtpd_client_restrictions", "permit"),
        ("postscreen_greet_wait", "7s"),
        ("postscreen_greet_action", "enforce"),
        ("soft_bounce", "yes"),
    ] {
        assert_eq!(waiting["policy"][name].as_str(), Some(value), "{printed}");
    }
    assert_eq!(
        other["policy"]["smtpd_recipient_restrictions"].to_string(),
        "[\"check_policy_service unix:/var/spool/postfix/private/greylist\", \"check_sender_access mysql:/x\"]"
    );
    assert_eq!(other["policy"].as_table().unwrap().len(), 2, "{printed}");
    assert_eq!(other["policy"]["luser_relay"].as_str(), Some("$local@x.test"));
    for said in [
        "master.cf, line 4: 26 inet: -o smtpd_recipient_restrictions: greylist is started by Postfix",
        "master.cf, line 4: 26 inet: -o smtpd_recipient_restrictions: mysql:/x: nobody answers for tables of this kind",
        "master.cf, line 4: 26 inet: -o local_recipient_maps: it is empty, so every user exists",
        "master.cf, line 4: 26 inet: -o virtual_mailbox_maps: not carried over",
        "master.cf, line 4: 26 inet: -o virtual_transport: lmtp:unix:x: not carried over",
        "master.cf, line 1: smtp inet: -o smtpd_milters=x: not carried over: smtpd does not see it",
        "-o postscreen_nothing=x: not carried over: it has no counterpart for one listener",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
}

#[test]
fn only_who_demands_a_login_becomes_submission() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let master_cf = "\
587 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_security_level=may
 -o smtpd_client_restrictions=permit_sasl_authenticated,reject
587 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_security_level=encrypt
465 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_wrappermode=yes
 -o { smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated reject }
465 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_wrappermode=yes
 -o { smtpd_relay_restrictions = permit_sasl_authenticated reject }
465 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_wrappermode=yes
 -o { smtpd_client_restrictions = reject_unknown_client_hostname permit_sasl_authenticated reject }
";
    // Each alone, since two have the same port.
    let services: Vec<String> = master_cf.replace("\n -o", " -o").lines().map(String::from).collect();
    let main_cf =
        "compatibility_level = 3.6\nmyhostname = mx.test\ninet_protocols = ipv4\nsmtpd_tls_auth_only = yes\n";
    for (service, protocol) in services.iter().zip(["smtp", "smtp", "smtp", "submission", "submission"]) {
        write(directory, &[("main.cf", main_cf), ("master.cf", &format!("{service}\n"))]);
        let (_, printed, told) = program(&["import-postfix", "."], directory);
        let listener = toml(&printed)["listener"][0].clone();
        assert_eq!(listener["protocol"].as_str(), Some(protocol), "{service}: {printed}{told}");
        assert!(listener.get("auth_mechanisms").is_none(), "{printed}");
        let refuses_plaintext = printed.contains("reject_plaintext_session");
        assert_eq!(refuses_plaintext, service.contains("encrypt"), "{printed}");
    }
}
