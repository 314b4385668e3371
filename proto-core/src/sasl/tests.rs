//! Exchanges: known answers, wrong ones, and our two sides against each other.

use super::line::{BadBase64, Response, decode_initial, decode_initial_in_place, encode, encode_initial};
use super::*;
use crate::output::OutBuf;
use crate::secret::Secret;
use alloc::string::ToString;
use alloc::vec::Vec;

fn server(mechanism: Mechanism) -> ServerExchange {
    ServerExchange::new(mechanism, ServerContext::default())
}

fn client(mechanism: Mechanism, credentials: &ClientCredentials) -> Result<ClientExchange, SaslFault> {
    ClientExchange::new(mechanism, credentials, ClientContext::default())
}

fn password(authzid: Option<&str>, authcid: &str, password: &str) -> Credentials {
    Credentials::Password {
        authzid: authzid.map(ToString::to_string),
        authcid: authcid.to_string(),
        password: password.into(),
    }
}

#[test]
fn plain_messages() {
    let start = |message: &[u8]| server(Mechanism::Plain).start(Some(message));
    assert_eq!(start(b"\0u\0p"), ServerStep::Ask(password(None, "u", "p")));
    assert_eq!(start(b"z\0u\0p q"), ServerStep::Ask(password(Some("z"), "u", "p q")));
    let bad: [&[u8]; 10] = [
        b"",
        b"\0",
        b"u\0p",
        b"\0u\0",
        b"\0\0p",
        b"\0u\0p\0",
        b"\0u\xff\0p",
        b"\0u\n\0p",
        b"z\r\0u\0p",
        b"\0\xc2\x85\0p",
    ];
    for message in bad {
        assert_eq!(start(message), ServerStep::Failed(SaslFault::Malformed), "{message:?}");
    }
}

#[test]
fn plain_without_initial_response_gets_an_empty_challenge() {
    let mut exchange = server(Mechanism::Plain);
    assert_eq!(exchange.start(None), ServerStep::Challenge(Vec::new()));
    assert!(matches!(exchange.respond(b"\0u\0p"), ServerStep::Ask(_)));
    assert_eq!(exchange.verdict(AuthVerdict::Reject), ServerStep::Failed(SaslFault::Rejected));
    assert_eq!(exchange.respond(b"\0u\0p"), ServerStep::Failed(SaslFault::Malformed));
    assert_eq!(exchange.verdict(AuthVerdict::Accept), ServerStep::Failed(SaslFault::Malformed));
}

/// Empty is not absent: for PLAIN the first is a wrong message, the second a wish to be asked.
#[test]
fn an_empty_initial_response_is_a_message() {
    let mut exchange = server(Mechanism::Plain);
    let message = decode_initial(b"=").unwrap();
    assert_eq!(exchange.start(Some(message.expose())), ServerStep::Failed(SaslFault::Malformed));
}

#[test]
fn login_asks_twice_or_once() {
    let mut asked = server(Mechanism::Login);
    assert_eq!(asked.start(None), ServerStep::Challenge(b"Username:".to_vec()));
    assert_eq!(asked.respond(b"u1"), ServerStep::Challenge(b"Password:".to_vec()));
    assert_eq!(asked.respond(b"p"), ServerStep::Ask(password(None, "u1", "p")));
    let failure = SaslFault::Backend(Backend::TEMPORARY);
    assert_eq!(asked.verdict(AuthVerdict::Backend(Backend::TEMPORARY)), ServerStep::Failed(failure));

    let mut told = server(Mechanism::Login);
    assert_eq!(told.start(Some(b"u1")), ServerStep::Challenge(b"Password:".to_vec()));
    assert_eq!(told.respond(b""), ServerStep::Failed(SaslFault::Malformed));

    assert_eq!(server(Mechanism::Login).start(Some(b"")), ServerStep::Failed(SaslFault::Malformed));
}

#[test]
fn acting_as_somebody_else_is_visible() {
    assert_eq!(password(None, "u", "p").authzid_other(), None);
    assert_eq!(password(Some("u"), "u", "p").authzid_other(), None);
    assert_eq!(password(Some("boss"), "u", "p").authzid_other(), Some("boss"));
}

#[test]
fn our_two_sides_understand_each_other() {
    for mechanism in [Mechanism::Plain, Mechanism::Login] {
        for with_initial_response in [true, false] {
            let mut client = client(mechanism, &ClientCredentials::password("ünal", " p ")).unwrap();
            let mut server = server(mechanism);
            let initial = if with_initial_response { client.initial_response().unwrap() } else { None };
            let mut step = server.start(initial.as_ref().map(Secret::expose));
            while let ServerStep::Challenge(challenge) = &step {
                step = server.respond(client.respond(challenge).unwrap().expose());
            }
            assert_eq!(step, ServerStep::Ask(password(None, "ünal", " p ")));
            assert_eq!(server.verdict(AuthVerdict::Accept), ServerStep::Done { server_final: None });
            assert_eq!(client.finish(None), Ok(()));
        }
    }
}

#[test]
fn a_client_says_no_more_than_it_was_meant_to() {
    let credentials = ClientCredentials::password("u", "p").acting_as("boss");
    assert_eq!(client(Mechanism::Login, &credentials).unwrap_err(), SaslFault::Unavailable);
    let unsaid = client(Mechanism::Login, &ClientCredentials::password("u", "p")).unwrap();
    assert_eq!(unsaid.finish(None), Err(SaslFault::Malformed));

    let mut plain = client(Mechanism::Plain, &credentials).unwrap();
    assert_eq!(plain.respond(b"").unwrap().expose(), b"boss\0u\0p");
    assert_eq!(plain.respond(b""), Err(SaslFault::Malformed));

    let nul = ClientCredentials::password("u\0v", "p");
    assert_eq!(client(Mechanism::Plain, &nul).unwrap_err(), SaslFault::Malformed);
}

#[test]
fn mechanism_names_are_found_in_any_case() {
    assert_eq!(Mechanism::from_name(b"plain"), Some(Mechanism::Plain));
    assert_eq!(Mechanism::from_name(b"LOGIN"), Some(Mechanism::Login));
    assert_eq!(Mechanism::from_name(b"PLAINX"), None);
}

#[test]
fn lines() {
    assert_eq!(decode_initial(b"="), Ok(Secret::new(Vec::new())));
    assert_eq!(decode_initial(b"AHUAcA=="), Ok(Secret::from("\0u\0p")));
    for bad in [&b""[..], b"!!", b"AHUAcA", b"AHUAcA=", b"AHUAcB==", b"AHUA cA==", b"*", b"AHUAcA==\n"] {
        assert_eq!(decode_initial(bad), Err(BadBase64), "{bad:?}");
        assert_eq!(decode_initial_in_place(&mut bad.to_vec()), Err(BadBase64), "{bad:?}");
    }
    assert_eq!(Response::parse(&mut b"*".to_vec()), Ok(Response::Cancel));
    assert_eq!(Response::parse(&mut []), Ok(Response::Message(b"")));
    assert_eq!(Response::parse(&mut b"=".to_vec()), Err(BadBase64));
    assert_eq!(Response::parse(&mut b"**".to_vec()), Err(BadBase64));
    assert_eq!(encode_initial(b""), "=");
    // Of up to some of the pieces in which it is read.
    for len in 0..400 {
        let message: Vec<u8> = (0..len).map(|n| (n * 7) as u8).collect();
        assert_eq!(decode_initial(encode_initial(&message).as_bytes()), Ok(Secret::from(&message[..])));
        assert_eq!(Response::parse(&mut encode(&message).into_bytes()), Ok(Response::Message(&message)));
    }
}

/// Nothing stands behind padding, wherever that falls.
#[test]
fn padding_ends_a_message() {
    for len in 0..400 {
        let two = [encode(&alloc::vec![7; len]), encode(b"ab")].concat();
        let whole = len % 3 == 0;
        assert_eq!(Response::parse(&mut two.into_bytes()).is_ok(), whole, "{len}");
    }
}

#[test]
fn base64_is_the_same_straight_into_the_output() {
    for bytes in [0, 1, 2, 3, 95, 96, 97, 98, 192, 1000] {
        let message: Vec<u8> = (0..bytes).map(|n| n as u8).collect();
        let (mut all, mut initial) = (OutBuf::new(), OutBuf::new());
        super::line::write(&Secret::from(&message[..]), &mut all);
        super::line::write_initial(&Secret::from(&message[..]), &mut initial);
        assert_eq!(all.as_slice(), encode(&message).as_bytes());
        assert_eq!(initial.as_slice(), encode_initial(&message).as_bytes());
        assert_eq!(all.len(), super::line::encoded_bytes(bytes));
    }
}
