//! The addresses in a message's header, completed, mapped and masked as those of its envelope are; and the fields that a
//! header lacks.
//!
//! What Postfix's `cleanup` does: of the messages of `local_header_rewrite_clients`, each address in `From:`, `To:` and their
//! like is completed (`append_at_myorigin`, `append_dot_mydomain`) and then mapped (`sender_canonical_maps` or
//! `recipient_canonical_maps`, `canonical_maps`, `masquerade_domains`, each where its classes have `header_sender` or
//! `header_recipient`), and a missing `Message-Id:`, `Date:` and `From:` is added, as a submission server may (RFC 6409
//! section 8). Messages of all others are left as they are, unless `remote_header_rewrite_domain` says by which domain their
//! addresses are completed, or `always_add_missing_headers` that theirs are added.
//!
//! [`HeaderRewriting`] has the settings, [`HeaderRewriting::plan`] says what is done for a client, and a [`HeaderRun`] takes one
//! message in pieces. An address that does not change stays, and so do names, comments, groups, folding and all other fields,
//! octet by octet.
//!
//! A signature that covers a field (DKIM, RFC 6376) is broken when the field is changed: rewriting is for those who submit
//! their mail here, before it is signed.
//!
//! ```
//! use relay_policy::address::EnvelopeRouter;
//! use relay_policy::headers::{HeaderRewriting, HeaderRun, HeaderStep, MessageFacts};
//! use relay_policy::table::{Answers, Opener};
//! use relay_policy::{Parameters, Request};
//!
//! let mut parameters = Parameters::default();
//! for (name, value) in [
//!     ("myorigin", "example.com"),
//!     ("mynetworks", "192.0.2.0/24"),
//!     ("local_header_rewrite_clients", "permit_mynetworks"),
//!     ("canonical_maps", "inline:{joe@example.com=joe.doe@example.com}"),
//!     ("masquerade_domains", "example.com"),
//! ] {
//!     parameters.set(name, value)?;
//! }
//! let opener = Opener::new(&|_| Err("no files".into()));
//! let router = EnvelopeRouter::from_parameters(&parameters, &opener, &mut Vec::new())?;
//! let rewriting = HeaderRewriting::from_parameters(&parameters, &router, &opener, &mut Vec::new())?;
//!
//! let client = Request::new("192.0.2.7".parse()?);
//! let plan = rewriting.plan(&client, &Answers::default())?.ok_or("it is one of ours")?;
//! let facts = MessageFacts { id: "1.Q".into(), date: "Thu, 1 Jan 1970 00:00:00 +0000".into(), ..MessageFacts::default() };
//! let (mut run, mut kept) = (HeaderRun::new(&rewriting, plan, facts), Vec::new());
//! run.feed(b"From: \"Joe (D.)\" <joe> (me)\r\nCc: ann@pc.example.com, far@far.test\r\nSubject: joe\r\n\r\njoe\r\n");
//! run.end();
//! // Tables that are not in memory would be asked for.
//! assert!(matches!(run.step(&mut kept), HeaderStep::Done));
//! assert_eq!(
//!     String::from_utf8(kept)?,
//!     "From: \"Joe (D.)\" <joe.doe@example.com> (me)\r\nCc: ann@example.com, far@far.test\r\nSubject: joe\r\n\
//!      Message-Id: <1.Q@localhost>\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\n\r\njoe\r\n"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//! A field with addresses is held until it is whole, up to `header_size_limit` octets; a longer one stays as it is. Of one
//! field [`ADDRESSES_MAX`] addresses are looked at, and [`QUESTIONS_MAX`] questions are put at a time. Besides, what was fed
//! and not yet passed on is held.
//!
//! # Departures
//! From Postfix: only the address that changes is changed, where Postfix writes the whole field anew; a line that a changed
//! address would make longer than 78 octets (RFC 5322 section 2.1.1) is folded before it. What is no address (words with
//! blanks between them, octets that are not UTF-8) stays, where Postfix makes addresses of the words. A field that is too
//! long stays whole, where Postfix cuts it. `Bcc:` and its like are taken out only where `message_drop_headers` says so. The
//! interfaces of the machine are not looked up, so `permit_inet_interfaces` means the addresses that `inet_interfaces` and
//! `proxy_interfaces` have.

mod clients;
mod field;
mod names;
mod run;

pub use run::{HeaderOutcome, HeaderRun, HeaderStep};

use crate::address::{
    Address, AddressMaps, Domains, EnvelopeRouter, Extensions, Mapper, RewriteContext, Rewriting,
    RoutingError,
};
use crate::checks::is_field;
use crate::parameters::Parameters;
use crate::request::Request;
use crate::table::{Answers, LookupError, Opener, Warning};
use clients::LocalClients;

/// How many addresses of a field are looked at.
pub const ADDRESSES_MAX: usize = 2_000;

/// How many questions are put at a time.
pub const QUESTIONS_MAX: usize = 100;

/// What is done to headers, and to whose.
#[derive(Debug, Clone)]
pub struct HeaderRewriting {
    clients: LocalClients,
    address_maps: AddressMaps,
    rewriting: Rewriting,
    extensions: Extensions,
    domains: Domains,
    always_add_missing_headers: bool,
    message_drop_headers: Vec<String>,
    undisclosed_recipients_header: String,
    myhostname: String,
    field_bytes_max: usize,
}

/// What is done to the header of one message, besides taking fields out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// How addresses are completed before they are mapped; with none, they stay as they are.
    pub context: Option<RewriteContext>,
    /// Whether what is missing is added.
    pub adds_missing: bool,
}

/// What a missing field is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageFacts {
    /// The sender of the envelope, after canonical mapping: for `From:`.
    pub sender: Address,
    /// What no other message of this host is called by, as it stands to the left of the `@` of a message id (RFC 5322
    /// section 3.6.4).
    pub id: String,
    /// When the message came, as RFC 5322 section 3.3 writes it.
    pub date: String,
}

impl HeaderRewriting {
    /// Takes what is needed from the parameters, and from a router the tables that were opened for it.
    ///
    /// # Errors
    /// [`RoutingError`] names the parameter.
    pub fn from_parameters(
        parameters: &Parameters,
        router: &EnvelopeRouter,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, RoutingError> {
        let p = parameters;
        let lacking = &p.undisclosed_recipients_header;
        if !lacking.is_empty() && (!is_field(lacking.as_bytes()) || lacking.contains(['\r', '\n'])) {
            return Err(RoutingError::Word {
                parameter: "undisclosed_recipients_header",
                word: lacking.clone(),
                expected: "a field: Name: value",
            });
        }
        Ok(Self {
            clients: LocalClients::from_parameters(p, opener, warnings)?,
            address_maps: router.address_maps.clone(),
            rewriting: router.routing.rewriting.clone(),
            extensions: router.routing.extensions.clone(),
            domains: router.routing.domains.clone(),
            always_add_missing_headers: p.always_add_missing_headers,
            message_drop_headers: p.message_drop_headers.clone(),
            undisclosed_recipients_header: lacking.clone(),
            myhostname: p.myhostname.clone(),
            field_bytes_max: p.header_size_limit,
        })
    }

    /// What is done to the header of a message from this client; none where it stays as it is.
    ///
    /// # Errors
    /// [`LookupError::Elsewhere`] when a table must be asked first; otherwise the message is refused for now.
    pub fn plan(&self, request: &Request, answers: &Answers) -> Result<Option<Plan>, LookupError> {
        let has_domain = !self.rewriting.remote_header_rewrite_domain.is_empty();
        let context = if self.clients.has(request, &self.domains, answers)? {
            Some(RewriteContext::Local)
        } else {
            has_domain.then_some(RewriteContext::Remote)
        };
        let adds_missing = context.is_some() || self.always_add_missing_headers;
        let is_something = adds_missing || !self.message_drop_headers.is_empty();
        Ok(is_something.then_some(Plan { context, adds_missing }))
    }

    fn mapper<'a>(&'a self, answers: &'a Answers) -> Mapper<'a> {
        Mapper { rewriting: &self.rewriting, extensions: &self.extensions, domains: &self.domains, answers }
    }

    /// Whether a field is taken out.
    fn drops(&self, name: &[u8]) -> bool {
        self.message_drop_headers.iter().any(|dropped| dropped.as_bytes().eq_ignore_ascii_case(name))
    }
}
