//! What is known when a decision is due.

use crate::access::{Latches, log};
use proto_core::TlsInfo;
use proto_core::address::{ForwardPath, ReversePath};
use std::net::{IpAddr, SocketAddr};

/// The name of a client that has none.
pub(crate) const UNKNOWN: &str = "unknown";

/// The facts of a session and of the message under way, filled in as they become known.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// The client's address.
    pub client: IpAddr,
    /// The TLS session, once there is one.
    pub tls: Option<TlsInfo>,
    /// What the client called itself in HELO, EHLO or LHLO.
    pub helo: Option<String>,
    /// The name the client has logged in with.
    pub login: Option<String>,
    /// Whether clients can log in where this one has come to (`smtpd_sasl_auth_enable` of Postfix). Where they cannot,
    /// restrictions about whose login a sender is are passed over, unless the client is logged in all the same.
    pub login_is_offered: bool,
    /// The SASL mechanism of the login (`sasl_method` of Postfix).
    pub sasl_method: Option<&'static str>,
    /// The sender of the message under way.
    pub sender: Option<ReversePath>,
    /// The name of the client's address, once it was seen that the name has that address, too; `unknown` where it has
    /// none.
    pub client_name: String,
    /// What came of looking for that name.
    pub client_name_status: NameStatus,
    /// The name of the client's address, whatever addresses the name has; `unknown` where there is none.
    pub reverse_client_name: String,
    /// What came of looking for that name; never [`NameStatus::Forged`].
    pub reverse_client_name_status: NameStatus,
    /// Whether the client said EHLO (or LHLO), not HELO.
    pub esmtp: bool,
    /// The authorisation identity of the client in `AUTH=` of MAIL (`sasl_sender` of Postfix).
    pub sasl_sender: Option<String>,
    /// The recipient of the message under way, for the stages after RCPT and when there is one only.
    pub recipient: Option<ForwardPath>,
    /// How many recipients of the message under way are accepted.
    pub recipient_count: u32,
    /// The client sent commands before it was allowed to.
    pub improper_pipelining: bool,
    /// The queue's name for the message under way, for the log; `NOQUEUE` is written where there is none.
    pub queue_id: Option<String>,
    /// What names the message under way, the same for all its recipients and never again (`instance` of policy services).
    pub instance: String,
    /// The size that was announced with MAIL, at the end of the message its own; 0 when nothing was said.
    pub size_bytes: u64,
    /// The client's port.
    pub client_port: Option<u16>,
    /// The address and port that the client came to.
    pub server: Option<SocketAddr>,
    /// The certificate that the client has shown, whether or not it is worth anything.
    pub client_certificate: Option<ClientCertificate>,
    /// A rule has said about the message under way that it is thrown away: nothing is looked at any more.
    pub discarded: bool,
    /// What earlier decisions have left, see [`Outcome::latches`](crate::access::Outcome::latches).
    pub latches: Latches,
}

/// A certificate that a client has shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientCertificate {
    /// It was issued by an authority that the application trusts with clients, and is valid now.
    pub is_verified: bool,
    /// The common name of its subject.
    pub subject: String,
    /// The common name of its issuer.
    pub issuer: String,
    /// Its digest, as the application writes them: pairs of hexadecimal digits with colons between them.
    pub fingerprint: String,
    /// The digest of its public key, written alike.
    pub public_key_fingerprint: String,
}

impl ClientCertificate {
    /// The digests that it is known by in tables.
    pub(crate) fn fingerprints(&self) -> Vec<String> {
        let digests = [&self.fingerprint, &self.public_key_fingerprint];
        digests.into_iter().filter(|digest| !digest.is_empty()).cloned().collect()
    }
}

/// What came of looking for a client's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NameStatus {
    /// It has one, and that has the client's address.
    Ok,
    /// It could not be found out now.
    Temporary,
    /// It has none, or one that has no address.
    #[default]
    Permanent,
    /// It has one, and that has other addresses.
    Forged,
}

impl Request {
    /// A client of which only the address is known, where clients can log in.
    pub fn new(client: IpAddr) -> Self {
        Self {
            client,
            tls: None,
            helo: None,
            login: None,
            login_is_offered: true,
            sasl_method: None,
            sender: None,
            client_name: UNKNOWN.into(),
            client_name_status: NameStatus::default(),
            reverse_client_name: UNKNOWN.into(),
            reverse_client_name_status: NameStatus::default(),
            esmtp: false,
            sasl_sender: None,
            recipient: None,
            recipient_count: 0,
            improper_pipelining: false,
            queue_id: None,
            instance: String::new(),
            size_bytes: 0,
            client_port: None,
            server: None,
            client_certificate: None,
            discarded: false,
            latches: Latches::default(),
        }
    }

    /// The client as replies and logs name it: `name[address]`.
    pub(crate) fn client_host(&self) -> String {
        format!("{}[{}]", self.client_name, self.client.to_canonical())
    }

    /// Where a message comes from, as [`Finding::log_line`](crate::checks::Finding::log_line) takes it:
    /// `client.example[192.0.2.1]; from=<a@b.test> to=<c@d.test> proto=ESMTP helo=<e.test>`.
    pub fn origin(&self) -> String {
        format!("{};{}", self.client_host(), log::envelope(self, self.recipient.as_ref()))
    }

    /// The recipient that this stage is about.
    pub(crate) fn recipient<'r>(&'r self, stage: Stage<'r>) -> Option<&'r ForwardPath> {
        match stage {
            Stage::Data | Stage::EndOfMessage if self.recipient_count < 2 => self.recipient.as_ref(),
            stage => stage.recipient(),
        }
    }
}

/// The moment of a session that a decision is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage<'a> {
    /// The connection, before the greeting.
    Connect,
    /// HELO, EHLO or LHLO.
    Helo,
    /// MAIL.
    Mail,
    /// RCPT, with the recipient asked for.
    Rcpt(&'a ForwardPath),
    /// VRFY, with the address asked for; decided as RCPT is.
    Vrfy(&'a ForwardPath),
    /// DATA, or the first BDAT.
    Data,
    /// The end of the message.
    EndOfMessage,
    /// ETRN (RFC 1985), with the node asked for.
    Etrn(&'a str),
}

impl<'a> Stage<'a> {
    /// The recipient that is asked for.
    pub(crate) fn recipient(self) -> Option<&'a ForwardPath> {
        match self {
            Self::Rcpt(recipient) | Self::Vrfy(recipient) => Some(recipient),
            _ => None,
        }
    }
}
