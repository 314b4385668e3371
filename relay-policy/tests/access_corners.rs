//! Access control where things are empty, broken or unusual: nobody gets by because of it.

#![allow(clippy::unwrap_used, reason = "a test")]

mod access_support;

use access_support::{compile, nothing, policy, recipient, reply, run, stranger};
use proto_core::Backend;
use relay_policy::{Answer, Question, Stage};

#[test]
fn an_action_that_says_nothing_lets_nobody_by() {
    let list = |service: &str| {
        format!("permit_mynetworks, check_policy_service {service}, reject_unauth_destination")
    };
    let remote = recipient("<y@other.test>");
    let refusal = |list: &str, answer: Answer| {
        let policy = policy(&[("smtpd_relay_restrictions", list)]);
        let (outcome, _) = run(&policy, &stranger(), Stage::Rcpt(&remote), |question| {
            assert!(matches!(question, Question::Policy { .. }));
            answer.clone()
        });
        outcome.refusal.map_or("accepted".into(), |reply| reply.to_string())
    };
    // An empty answer is none, so that the default action counts.
    for answer in ["", " ", "\t"] {
        let told = refusal(&list("inet:h:1"), Answer::Action(answer.into()));
        assert_eq!(
            told,
            "451 4.3.5 <y@other.test>: Recipient address rejected: Server configuration problem"
        );
        let told = refusal(&list("{ inet:h:1, default_action=DUNNO }"), Answer::Action(answer.into()));
        assert_eq!(told, "554 5.7.1 <y@other.test>: Relay access denied");
    }
    // An empty default action is refused: for all services when the policy is compiled, for one when it is reached.
    for service in ["{ inet:h:1, default_action= }", "{ inet:h:1, { default_action =  } }"] {
        let told = refusal(&list(service), Answer::Failed(Backend::TEMPORARY));
        assert_eq!(told, "451 4.3.5 Server configuration error", "{service}");
    }
    for empty in ["", " "] {
        let told = compile(&[("smtpd_policy_service_default_action", empty)]).unwrap_err().to_string();
        assert!(told.starts_with("smtpd_policy_service_default_action: it is empty"), "{told}");
    }
    // Nor does a table that has nothing beside a key.
    let empty = policy(&[(
        "smtpd_relay_restrictions",
        "check_recipient_access inline:{{y@other.test = }}, reject_unauth_destination",
    )]);
    assert_eq!(reply(&empty, &stranger(), "<y@other.test>"), "554 5.7.1 <y@other.test>: Relay access denied");
    let (outcome, _) = run(&empty, &stranger(), Stage::Connect, nothing);
    assert_eq!(outcome.refusal, None);
}
