//! `main.cf` as it is read and expanded.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use relay_policy::main_cf::{MainCf, MasterCf, NESTING_MAX, VALUE_BYTES_MAX};

fn value(text: &str, name: &str) -> String {
    let default = |name: &str| (name == "mydomain").then(|| "default.example".to_string());
    match MainCf::parse("main.cf", text) {
        Err(error) => format!("error: {error}"),
        Ok(main_cf) => match main_cf.value(name, &default) {
            Err(error) => format!("error: {error}"),
            Ok(value) => value.unwrap_or_else(|| "(none)".into()),
        },
    }
}

#[test]
fn lines() {
    let text = "# a comment\n\nrelayhost = [mx.example]:587  \n  # between\n\nmynetworks = 127.0.0.0/8,\n# in between\n\n\t10.0.0.0/8\n   192.0.2.1\r\n\
                empty =\nequals = a=b\n";
    assert_eq!(value(text, "relayhost"), "[mx.example]:587");
    assert_eq!(value(text, "mynetworks"), "127.0.0.0/8,\t10.0.0.0/8   192.0.2.1");
    assert_eq!(value(text, "empty"), "");
    assert_eq!(value(text, "equals"), "a=b");
    assert_eq!(value(text, "Relayhost"), "(none)");
    let main_cf = MainCf::parse("main.cf", text).unwrap();
    assert_eq!(main_cf.parameter("mynetworks").unwrap().line, 6);
    assert_eq!(main_cf.warnings(), []);
}

#[test]
fn what_is_no_parameter_is_told_with_its_line() {
    assert_eq!(
        value("  a = b\n", "a"),
        "error: main.cf, line 1: a line that begins with white space goes on with the one before it, and there is none; remove \
         the white space"
    );
    assert_eq!(
        value("a = b\n\nno equals\n", "a"),
        "error: main.cf, line 3: \"no equals\" has no \"=\"; expected name = value"
    );
    assert!(value("= b\n", "a").contains("line 1: \"\" is not a parameter's name"));
    assert!(value("two words = b\n", "a").contains("\"two words\" is not a parameter's name"));
}

#[test]
fn the_last_line_counts_and_slips_are_told() {
    let text = "a = 1\na = 2\nb = x # not a comment\nc = \"quoted\"\n";
    let main_cf = MainCf::parse("/etc/postfix/main.cf", text).unwrap();
    assert_eq!(value(text, "a"), "2");
    assert_eq!(value(text, "b"), "x # not a comment");
    assert_eq!(value(text, "c"), "\"quoted\"");
    let warnings: Vec<String> = main_cf.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    // L26: of two lines the last counts, and that is told.
    assert_eq!(warnings[0], "/etc/postfix/main.cf, line 2: a was set in line 1 already; this line counts");
    assert!(warnings[1].contains("line 3: \"#\" does not begin a comment"), "{warnings:?}");
    assert!(warnings[2].contains("line 4: the quotes are part of c"), "{warnings:?}");
}

/// What each text comes to with `yes = on`, `no =`, `nested = <$yes>`.
fn expanded(text: &str) -> String {
    value(&format!("yes = on\nno =\nnested = <$yes>\nx = {text}\n"), "x")
}

#[test]
fn names_are_replaced() {
    for (text, expected) in [
        ("$yes", "on"),
        ("$yes/$(yes)/${yes}s", "on/on/ons"),
        ("${ yes }", "on"),
        ("$nested", "<on>"),
        ("[$no][$undefined][$mydomain]", "[][][default.example]"),
        ("cost $$5", "cost $5"),
        ("$yes-$yes.$yes", "on-on.on"),
    ] {
        assert_eq!(expanded(text), expected, "{text}");
    }
}

#[test]
fn conditions_choose() {
    for (text, expected) in [
        ("${yes?a}", "a"),
        ("${no?a}", ""),
        ("${undefined?a}", ""),
        ("${yes:a}", ""),
        ("${no:a}", "a"),
        ("${yes?{a}}", "a"),
        ("${no:{ a $yes }}", "a on"),
        ("${yes?{a}:{b}}", "a"),
        ("${no?{a}:{b}}", "b"),
        ("${no ? {a} : {b}}", "b"),
        ("${no?{a}:b}", "b"),
        ("${no?{a}:{${yes?{c}:{d}}}}", "c"),
        ("${{$yes} == {on} ? {a} : {b}}", "a"),
        ("${{$yes}!={on}?{a}:{b}}", "b"),
        ("${{9} < {10} ? {numbers} : {letters}}", "numbers"),
        ("${{9a} < {10} ? {a} : {b}}", "b"),
        ("${{2} >= {2} ? {a}}", "a"),
        ("${{3} <= {2} ? {a}}", ""),
        ("${{3} > {2} ? {a} : {b}}", "a"),
        ("${{3.6} <level {3.10} ? {a} : {b}}", "a"),
        ("${{3.6.1} >=level {3.6} ? {a} : {b}}", "a"),
        ("${{2} ==level {2.0} ? {a} : {b}}", "a"),
    ] {
        assert_eq!(expanded(text), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_expanded_is_told_with_its_line() {
    for (text, expected) in [
        ("${yes", "the bracket of \"${yes\" does not close"),
        ("5 $ 6", "no name stands behind the $; one $ is written $$"),
        ("$", "no name stands behind the $"),
        ("${?a}", "does not begin with a name"),
        ("${yes!a}", "expected ? or :"),
        ("${yes?{a} b}", "expected : or the end"),
        ("${no?{a}:{b} c}", "stands behind the last brace"),
        ("${{a} ~ {b} ? {c}}", "expected ==, !=, <, <=, >= or >"),
        ("${{a} == b ? {c}}", "expected {"),
        ("${{x} <level {2} ? {c}}", "\"x\" is not a compatibility level"),
        ("$x", "x -> x: it is set to itself"),
    ] {
        let found = expanded(text);
        assert!(found.starts_with("error: main.cf, line 4: ") && found.contains(expected), "{text}: {found}");
    }
    assert!(value("a = $b\nb = ${a}\n", "a").ends_with("a -> b -> a: it is set to itself"));
}

#[test]
fn a_few_lines_do_not_take_all_memory() {
    let mut text = String::from("n0 = 0123456789\nempty0 =\n");
    for n in 1..40 {
        text += &format!("n{n} = $n{0}$n{0}\nempty{n} = $empty{0}$empty{0}\n", n - 1);
    }
    assert!(value(&text, "n39").contains(&format!("longer than {VALUE_BYTES_MAX} octets")));
    assert!(value(&text, "empty39").contains(&format!("longer than {VALUE_BYTES_MAX} octets")));
    assert_eq!(value(&text, "n10").len(), 10 << 10);
    let deep = |levels: usize| format!("yes = on\na = {}x{}\n", "${yes?".repeat(levels), "}".repeat(levels));
    assert_eq!(value(&deep(NESTING_MAX - 1), "a"), "x");
    assert!(value(&deep(100_000), "a").contains(&format!("more than {NESTING_MAX} deep")));
}

#[test]
fn a_service_has_values_of_its_own() {
    let main_cf = MainCf::parse("main.cf", "b = $a\na = common\n").unwrap();
    let master = "smtp inet n - y - - smtpd\nx inet n - y - - smtpd -o a=own -o c=$b -o d=${\n";
    let services = MasterCf::parse("master.cf", master).unwrap();
    let value = |service: usize, name: &str| {
        let main_cf = main_cf.with(&services.services()[service].options);
        main_cf.value(name, &|_| None).map_err(|error| error.to_string())
    };
    assert_eq!(value(0, "b"), Ok(Some("common".into())));
    assert_eq!((value(1, "b"), value(1, "c")), (Ok(Some("own".into())), Ok(Some("own".into()))));
    assert!(value(1, "d").unwrap_err().starts_with("master.cf, line 2: "));
}

/// Whatever the text: an answer, in bounded time.
#[test]
fn any_text_has_an_answer() {
    let pieces = ["$", "{", "}", "(", ")", "?", ":", "a", " ", "=", "==", "<", "\n", "#", "$a", "${a", "é"];
    let mut state = 0x2026_1122_u64;
    for _ in 0..20_000 {
        let mut text = String::from("a = ");
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text += pieces[(state >> 33) as usize % pieces.len()];
        }
        assert!(value(&text, "a").len() <= VALUE_BYTES_MAX, "{text}");
    }
}
