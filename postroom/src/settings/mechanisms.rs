//! Which SASL mechanisms a listener offers.

use super::{Listener, Protocol, Settings};
use crate::wall::Serves;
use proto_core::sasl::Mechanism;

/// The mechanisms of a listener, in the order in which they are shown: that of the settings, else the strongest first.
/// What the session lacks for one (TLS, a certificate) the machine sees to.
pub(super) fn mechanisms(
    settings: &Settings,
    listener: &Listener,
    serves: impl Fn(Mechanism) -> Serves,
) -> Vec<Mechanism> {
    if listener.protocol == Protocol::Lmtp && listener.auth_mechanisms.is_none() {
        // Whoever hands mail over there is another server of ours, and no user.
        return Vec::new();
    }
    if listener.protocol == Protocol::Policy {
        return Vec::new();
    }
    let named = listener.auth_mechanisms.as_ref().or(settings.auth_mechanisms.as_ref());
    let fits = |mechanism: &Mechanism| {
        let served = match (serves(*mechanism), named) {
            (Serves::Everybody, Some(_)) | (Serves::Somebody, Some(_)) => true,
            (Serves::Everybody, None) => *mechanism != Mechanism::CramMd5,
            (Serves::Somebody, None) => false,
            (Serves::Nobody, _) => {
                if named.is_some() {
                    tracing::warn!(listener = listener.name, %mechanism, "not offered: no account can use it");
                }
                false
            }
        };
        let asked_for = *mechanism != Mechanism::External || listener.client_certificates.is_some();
        served && asked_for && settings.sasl_security_options.permit(*mechanism)
    };
    let mut offered = Vec::new();
    for mechanism in named.map_or(Mechanism::ALL, Vec::as_slice).iter().filter(|mechanism| fits(mechanism)) {
        if !offered.contains(mechanism) {
            offered.push(*mechanism);
        }
    }
    offered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::ClientCertificates;
    use Mechanism::{Anonymous, CramMd5, External, Login, Plain, ScramSha1, ScramSha256, ScramSha256Plus};

    /// A directory in which everybody has the first ones, and some have the others.
    fn offered(
        everybody: &[Mechanism],
        somebody: &[Mechanism],
        change: impl FnOnce(&mut Settings, &mut Listener),
    ) -> Vec<Mechanism> {
        let mut settings = Settings::new("mail.example.test");
        let mut listener = Listener::without_socket(Protocol::Imap);
        change(&mut settings, &mut listener);
        mechanisms(&settings, &listener, |mechanism| {
            if everybody.contains(&mechanism) {
                Serves::Everybody
            } else if somebody.contains(&mechanism) {
                Serves::Somebody
            } else {
                Serves::Nobody
            }
        })
    }

    const HASHES: &[Mechanism] = &[Plain, Login];
    const KEYS: &[Mechanism] = &[Login, Plain, ScramSha256, ScramSha256Plus];

    #[test]
    fn by_default_what_everybody_can_use_the_strongest_first() {
        assert_eq!(offered(HASHES, &[], |_, _| ()), [Plain, Login]);
        assert_eq!(offered(KEYS, &[ScramSha1], |_, _| ()), [ScramSha256Plus, ScramSha256, Plain, Login]);
        assert_eq!(
            offered(HASHES, &[ScramSha256], |_, _| ()),
            [Plain, Login],
            "a client would not try the next"
        );
        assert_eq!(offered(&[CramMd5, Plain], &[], |_, _| ()), [Plain]);
    }

    #[test]
    fn what_is_named_is_offered_where_somebody_can_use_it() {
        let named = offered(HASHES, &[ScramSha256], |settings, _| {
            settings.auth_mechanisms = Some(vec![Plain, ScramSha256, ScramSha1, Plain]);
        });
        assert_eq!(named, [Plain, ScramSha256]);
        let of_the_listener = offered(HASHES, &[ScramSha256], |settings, listener| {
            settings.auth_mechanisms = Some(vec![Plain]);
            listener.auth_mechanisms = Some(vec![]);
        });
        assert_eq!(of_the_listener, []);
        let lmtp = |named: Option<Vec<Mechanism>>| {
            offered(HASHES, &[], |settings, listener| {
                settings.auth_mechanisms = Some(vec![Login]);
                listener.protocol = Protocol::Lmtp;
                listener.auth_mechanisms = named;
            })
        };
        assert_eq!((lmtp(None), lmtp(Some(vec![Plain]))), (vec![], vec![Plain]));
        assert_eq!(offered(&[CramMd5], &[], |s, _| s.auth_mechanisms = Some(vec![CramMd5])), [CramMd5]);
    }

    #[test]
    fn r182_noplaintext_and_noanonymous_hide() {
        let everybody = &[Plain, Login, ScramSha256, Anonymous];
        assert_eq!(offered(everybody, &[], |_, _| ()), [ScramSha256, Plain, Login]);
        let noplaintext = offered(everybody, &[], |s, _| s.sasl_security_options.noplaintext = true);
        assert_eq!(noplaintext, [ScramSha256]);
        let anonymous = offered(everybody, &[], |s, _| s.sasl_security_options.noanonymous = false);
        assert_eq!(anonymous, [ScramSha256, Plain, Login, Anonymous]);
    }

    #[test]
    fn external_where_certificates_are_asked_for() {
        let ask = Some(ClientCertificates { authorities: Vec::new(), required: false });
        assert_eq!(offered(&[External, Plain], &[], |_, _| ()), [Plain]);
        assert_eq!(offered(&[External, Plain], &[], |_, l| l.client_certificates = ask), [External, Plain]);
    }
}
