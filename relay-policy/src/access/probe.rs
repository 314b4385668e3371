//! One rule being looked at: the facts, the answers there are so far, and what is to be told.

use super::destination::Resolved;
use super::log::Log;
use super::policy::AccessPolicy;
use super::rule::{Check, Logins, Rule, Rules};
use super::subject::{Context, Subject, first_digit, split_enhanced};
use crate::address::Resolution;
use crate::decision::Reply;
use crate::parameters::Parameters;
use crate::question::{Answer, Question};
use crate::request::{NameStatus, Request, Stage};
use crate::table::{self, LookupError};
use crate::trail::{Notes, Why};
use proto_core::address::{ForwardPath, Mailbox, ReversePath};
use std::fmt::{self, Display};
use std::net::IpAddr;
use std::sync::Arc;

/// What a rule says.
#[derive(Debug)]
pub(crate) enum Said {
    Dunno,
    Permit,
    Refuse(Reply),
    DeferIfPermit(Reply),
    DeferIfReject(Reply),
    /// Another list decides.
    Enter {
        rules: Rules,
        context: Context,
        permit: OnPermit,
    },
    Do(Action),
}

/// What a rule does to the message or to the session.
#[derive(Debug)]
pub(crate) enum Action {
    Hold,
    Discard,
    Filter(String),
    Redirect(String),
    Bcc(String),
    Prepend(String),
    Sleep(u32),
}

/// What becomes of a permit that a list or a table gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OnPermit {
    Permit,
    /// It is not for this check to permit.
    Dunno,
    /// It must not be: by this restriction, about this fact.
    Broken {
        restriction: String,
        what: String,
    },
}

/// Why a rule does not say anything.
#[derive(Debug)]
pub(crate) enum Halt {
    /// It needs to know something first.
    Ask(Vec<Question>),
    /// Something is broken; nothing softens this refusal.
    Broken(Reply),
}

pub(crate) type Checked<T = Said> = Result<T, Halt>;

/// Questions that were asked, with their answers.
pub(crate) type Answers = Vec<(Question, Option<Answer>)>;

/// What one rule is looked at with.
pub(crate) struct Probe<'p> {
    pub(crate) policy: &'p AccessPolicy,
    pub(crate) request: &'p Request,
    pub(crate) stage: Stage<'p>,
    pub(crate) answers: &'p Answers,
    /// What was answered about tables that are not in memory.
    pub(crate) tables: &'p table::Answers,
    /// Where addresses lead, as far as that was found out.
    pub(crate) resolved: &'p mut Resolved,
    /// Of the list in which the rule stands.
    pub(crate) context: &'p Context,
    /// What a table without the name of a check is about there.
    pub(crate) implied: Subject,
    /// How many lists this one is within.
    pub(crate) depth: usize,
    /// A deferral waits for a permit, so that a permit is none.
    pub(crate) is_deferred: bool,
    pub(crate) log: Log,
    /// For the trail: what was seen.
    pub(crate) why: Why,
    pub(crate) notes: &'p mut Notes,
    /// Where the recipient leads, once that was the question.
    pub(crate) resolution: Option<Arc<Resolution>>,
}

pub(crate) fn server_error() -> Reply {
    Reply::new(451, (4, 3, 5), "Server configuration error".into())
}

impl<'p> Probe<'p> {
    pub(crate) fn check(&mut self, rule: &Rule) -> Checked {
        let said = self.say(rule)?;
        let subject = match rule.check {
            Check::Permit => None,
            Check::PermitAuthDestination | Check::PermitMxBackup => Some(Subject::Recipient),
            Check::PermitMynetworks
            | Check::PermitInetInterfaces
            | Check::PermitSaslAuthenticated
            | Check::PermitTlsClientcerts
            | Check::PermitTlsAllClientcerts
            | Check::DnsList { .. } => Some(Subject::Client),
            // Tables log their own.
            _ => return Ok(said),
        };
        if matches!(said, Said::Permit) {
            let context = subject.map_or_else(|| self.context.clone(), Context::of);
            self.permitted(rule.written.split(' ').next().unwrap_or_default(), &context, "");
        }
        Ok(said)
    }

    /// Logs a permit where `smtpd_log_access_permit_actions` has its name; `from` says by which table it is.
    pub(crate) fn permitted(&mut self, action: &str, context: &Context, from: &str) {
        let is_logged = !self.is_deferred
            && matches!(self.policy.permit_actions.matches_name(action, self.tables), Ok(Some(_)));
        if is_logged {
            let (what, subject) = (self.what(context), context.subject);
            let text = format!("action={action} for {subject}={what} {from}");
            self.log.event(self.request, self.stage, "permit", &text);
        }
    }

    fn say(&mut self, rule: &Rule) -> Checked {
        let parameters = self.parameters();
        match &rule.check {
            Check::Permit => Ok(Said::Permit),
            Check::Reject => {
                let code = parameters.reject_code;
                Ok(Said::Refuse(self.rejected(self.context, code, (5, 7, 1), "Access denied")))
            }
            Check::Defer => {
                let code = parameters.defer_code;
                Ok(Said::Refuse(self.rejected(self.context, code, (4, 3, 2), "Try again later")))
            }
            Check::DeferIfPermit => Ok(Said::DeferIfPermit(self.rejected(
                self.context,
                450,
                (4, 7, 0),
                "defer_if_permit requested",
            ))),
            Check::DeferIfReject => Ok(Said::DeferIfReject(self.rejected(
                self.context,
                450,
                (4, 7, 0),
                "defer_if_reject requested",
            ))),
            Check::BadAddress(subject) => self.bad_address(*subject),
            // The list's own business.
            Check::WarnIfReject => Ok(Said::Dunno),
            Check::Sleep(seconds) => Ok(Said::Do(Action::Sleep(*seconds))),
            Check::Class(name) => self.enter(name, self.policy.class(name), self.context.clone()),
            Check::BareTable(table) => self.bare_table(table),
            Check::Access(subject, table) => self.access(*subject, table),
            Check::CertificateAccess { table, search_order } => self.certificate_access(table, search_order),
            Check::ServerAccess { servers, of, table, restriction } => {
                self.server_access(*servers, *of, table, restriction)
            }
            Check::DnsList { permit, by_name, of, zone } => self.dns_list(*permit, *by_name, *of, zone),
            Check::PolicyService(service) => self.delegated(service),
            Check::PermitMynetworks => self.permit_mynetworks(),
            Check::PermitInetInterfaces => {
                let client = self.request.client.to_canonical();
                let is_ours = parameters.inet_interfaces.iter().any(|own| {
                    let own = own.trim_matches(['[', ']']).parse::<IpAddr>();
                    own.is_ok_and(|own| own.to_canonical() == client)
                });
                Ok(if is_ours { Said::Permit } else { Said::Dunno })
            }
            Check::PermitTlsAllClientcerts => {
                let certificate = self.request.client_certificate.as_ref();
                let is_good = certificate.is_some_and(|certificate| certificate.is_verified);
                Ok(if is_good { Said::Permit } else { Said::Dunno })
            }
            Check::PermitTlsClientcerts => self.permit_tls_clientcerts(),
            Check::RejectUnverified(subject) => self.unverified(*subject),
            Check::PermitSaslAuthenticated => {
                let Some(login) = self.request.login.as_deref() else {
                    self.why = Why::Words("not logged in");
                    return Ok(Said::Dunno);
                };
                self.note(format_args!("logged in as {login}"));
                Ok(Said::Permit)
            }
            Check::PermitAuthDestination => self.permit_auth_destination(),
            Check::PermitMxBackup => self.permit_mx_backup(),
            Check::RejectUnauthDestination => self.unauth_destination(parameters.relay_domains_reject_code),
            Check::DeferUnauthDestination => {
                self.unauth_destination(parameters.relay_domains_reject_code.saturating_sub(100).max(400))
            }
            Check::RejectUnknownClient => {
                let status = self.request.client_name_status;
                self.unknown_client(status, (4, 7, 25), "cannot find your hostname")
            }
            Check::RejectUnknownReverseClient => {
                let status = self.request.reverse_client_name_status;
                self.unknown_client(status, (4, 7, 1), "cannot find your reverse hostname")
            }
            Check::RejectInvalidHelo => Ok(self.invalid_helo()),
            Check::RejectNonFqdnHelo => Ok(self.non_fqdn_helo()),
            Check::RejectUnknownHelo => self.unknown_helo(),
            Check::RejectNonFqdn(subject) => Ok(self.non_fqdn_address(*subject)),
            Check::RejectUnknownDomain(subject) => self.unknown_domain(*subject),
            Check::RejectUnlisted(subject) => self.unlisted(*subject),
            Check::RejectLoginMismatch(_)
                if !(self.request.login_is_offered || self.request.login.is_some()) =>
            {
                self.log.warn(format!("restriction \"{}\" ignored: no SASL support", rule.written));
                self.why = Why::Words("nobody can log in here");
                Ok(Said::Dunno)
            }
            Check::RejectLoginMismatch(logins) => self.login_mismatch(*logins),
            Check::RejectMultiRecipientBounce => {
                let is_bounce = matches!(self.request.sender, Some(ReversePath::Null));
                let is_rcpt = matches!(self.stage, Stage::Rcpt(_) | Stage::Vrfy(_));
                let more = self.request.recipient_count >= if is_rcpt { 1 } else { 2 };
                let code = parameters.multi_recipient_bounce_reject_code;
                Ok(self.refuse_if(is_bounce && more, code, (5, 5, 3), "Multi-recipient bounce"))
            }
            Check::RejectUnauthPipelining => {
                let text = "Improper use of SMTP command pipelining";
                Ok(self.refuse_if(self.request.improper_pipelining, 503, (5, 5, 0), text))
            }
            Check::RejectPlaintextSession => {
                if self.request.tls.is_some() {
                    return Ok(Said::Dunno);
                }
                let code = parameters.plaintext_reject_code;
                Ok(Said::Refuse(Reply::new(code, (4, 7, 1), "Session encryption is required".into())))
            }
            Check::Wrong(warnings) => self.broken(warnings),
        }
    }

    pub(crate) fn parameters(&self) -> &'p Parameters {
        &self.policy.parameters
    }

    /// The answer to a question, which is asked if it was not yet.
    pub(crate) fn ask(&self, question: Question) -> Checked<&'p Answer> {
        let answered = self.answers.iter().find(|(asked, _)| *asked == question);
        answered.and_then(|(_, answer)| answer.as_ref()).ok_or(Halt::Ask(vec![question]))
    }

    /// Asks all of these, and goes on when all are answered; one answer to each.
    pub(crate) fn ask_all(&self, questions: &[Question]) -> Checked<Vec<&'p Answer>> {
        let mut open: Vec<Question> = Vec::new();
        for question in questions {
            let is_answered =
                self.answers.iter().any(|(asked, answer)| asked == question && answer.is_some());
            if !is_answered && !open.contains(question) {
                open.push(question.clone());
            }
        }
        if !open.is_empty() {
            return Err(Halt::Ask(open));
        }
        questions.iter().map(|question| self.ask(question.clone())).collect()
    }

    /// Gives up: the configuration is wrong.
    pub(crate) fn broken<T>(&mut self, warnings: &[impl AsRef<str>]) -> Checked<T> {
        for warning in warnings {
            self.log.warn(warning.as_ref());
        }
        Err(Halt::Broken(server_error()))
    }

    /// Notes for the trail what was seen.
    pub(crate) fn note(&mut self, words: fmt::Arguments<'_>) {
        self.why = Why::Note(self.notes.write(words));
    }

    /// Gives up for now: something about this fact could not be looked up.
    pub(crate) fn temporary<T>(&mut self, fact: &dyn Display, warning: String) -> Checked<T> {
        self.log.warn(warning);
        let text = format!("<{fact}>: Temporary lookup failure");
        Err(Halt::Broken(Reply::new(451, (4, 3, 0), text)))
    }

    fn refuse_if(&self, refused: bool, code: u16, enhanced: (u8, u16, u16), text: &str) -> Said {
        if refused { Said::Refuse(self.rejected(self.context, code, enhanced, text)) } else { Said::Dunno }
    }

    /// Another list takes over.
    pub(crate) fn enter(&mut self, name: &str, rules: Rules, context: Context) -> Checked {
        if self.depth >= super::RECURSION_MAX {
            return self.broken(&[format!("restriction {name} causes unreasonable recursion")]);
        }
        Ok(Said::Enter { rules, context, permit: OnPermit::Permit })
    }

    fn bare_table(&mut self, table: &str) -> Checked {
        match self.implied {
            Subject::Data | Subject::EndOfData | Subject::Login | Subject::Certificate => {
                let subject = self.context.subject;
                self.broken(&[format!(
                    "specify one of (check_client_access, check_reverse_client_hostname_access, \
                     check_helo_access, check_sender_access, check_recipient_access, check_etrn_access) before \
                     {subject} restriction \"{table}\""
                )])
            }
            subject => self.access(subject, table),
        }
    }

    fn permit_mynetworks(&mut self) -> Checked {
        let client = self.request.client.to_canonical();
        let found = self.policy.mynetworks.matches_host(&self.request.client_name, client, self.tables);
        match found {
            Ok(Some(entry)) => {
                self.note(format_args!("{client} is in {entry}"));
                return Ok(Said::Permit);
            }
            Ok(None) => {}
            Err(LookupError::Elsewhere { table, key }) => {
                return Err(Halt::Ask(vec![Question::Lookup { table, key }]));
            }
            Err(LookupError::Failed { table, .. }) => {
                let fact = self.what(self.context);
                return self.temporary(&fact, format!("mynetworks: {table}: table lookup problem"));
            }
        }
        self.why = Why::NotInMynetworks(client);
        Ok(Said::Dunno)
    }

    fn permit_tls_clientcerts(&mut self) -> Checked {
        let Some(certificate) = &self.request.client_certificate else { return Ok(Said::Dunno) };
        let keys = certificate.fingerprints();
        for table in &self.parameters().relay_clientcerts {
            match self.first(table, |search| keys.iter().try_for_each(|key| search.ask(&[key])))? {
                Ok(None) => {}
                Ok(Some(hit)) => {
                    self.note(format_args!("{}: {}", hit.found.place, hit.key));
                    return Ok(Said::Permit);
                }
                Err(unknown) => {
                    let fact = self.what(self.context);
                    return self.temporary(&fact, unknown.warning());
                }
            }
        }
        Ok(Said::Dunno)
    }

    fn unknown_client(&mut self, status: NameStatus, enhanced: (u8, u16, u16), text: &str) -> Checked {
        let code = match status {
            NameStatus::Ok => return Ok(Said::Dunno),
            NameStatus::Temporary => 450,
            NameStatus::Permanent | NameStatus::Forged => self.parameters().unknown_client_reject_code,
        };
        let text = format!("Client host rejected: {text}, [{}]", self.request.client.to_canonical());
        Ok(Said::Refuse(Reply::new(code, enhanced, text)))
    }

    fn login_mismatch(&mut self, logins: Logins) -> Checked {
        let Some(sender) = self.sender() else { return Ok(Said::Dunno) };
        let context = Context::of(Subject::Sender);
        let owners = self.owners(sender)?;
        let Some(login) = &self.request.login else {
            if logins == Logins::Authenticated || owners.is_none() {
                return Ok(Said::Dunno);
            }
            return Ok(Said::Refuse(self.rejected(&context, 553, (5, 7, 1), "not logged in")));
        };
        let is_owner = match &owners {
            None => logins == Logins::Known,
            Some(owners) => {
                let names = self.login_names(login);
                let is_one = |owner: &&str| names.clone().any(|name| owner.eq_ignore_ascii_case(name));
                crate::words::words(&owners.text).iter().any(is_one)
            }
        };
        if logins == Logins::Unauthenticated || is_owner {
            return Ok(Said::Dunno);
        }
        let text = format!("not owned by user {login}");
        Ok(Said::Refuse(self.rejected(&context, 553, (5, 7, 1), &text)))
    }

    /// What a login is called in tables: itself, and its local part where its domain is that of logins without one.
    pub(crate) fn login_names<'l>(&self, login: &'l str) -> impl Iterator<Item = &'l str> + Clone + use<'l> {
        let domain = &self.parameters().smtpd_sasl_local_domain;
        let alone =
            login.rsplit_once('@').filter(|(_, of)| !of.is_empty() && of.eq_ignore_ascii_case(domain));
        [Some(login), alone.map(|(name, _)| name)].into_iter().flatten()
    }

    /// The sender, unless there is none or it is the null one.
    pub(crate) fn sender(&self) -> Option<&'p Mailbox> {
        self.request.sender.as_ref().and_then(ReversePath::mailbox)
    }

    /// The recipient that is asked for.
    pub(crate) fn recipient(&self) -> Option<&'p Mailbox> {
        self.request.recipient(self.stage).and_then(ForwardPath::mailbox)
    }

    /// The sender or the recipient.
    pub(crate) fn address(&self, subject: Subject) -> Option<&'p Mailbox> {
        if subject == Subject::Sender { self.sender() } else { self.recipient() }
    }

    /// What a subject is now, as replies write it, without the brackets that they have around it.
    pub(crate) fn what(&self, context: &Context) -> String {
        if let Some(called) = &context.called {
            return called.clone();
        }
        let request = self.request;
        match context.subject {
            Subject::Client => request.client_host(),
            Subject::ReverseClient => request.reverse_client_name.clone(),
            Subject::Helo => request.helo.clone().unwrap_or_default(),
            Subject::Sender => {
                self.sender().map(|mailbox| mailbox.as_written().to_string()).unwrap_or_default()
            }
            Subject::Recipient => match request.recipient(self.stage) {
                Some(ForwardPath::Mailbox(mailbox)) => mailbox.as_written().to_string(),
                Some(ForwardPath::Postmaster) => "postmaster".into(),
                None => String::new(),
            },
            Subject::Etrn => match self.stage {
                Stage::Etrn(node) => node.into(),
                _ => String::new(),
            },
            Subject::Data => "DATA".into(),
            Subject::EndOfData => "END-OF-MESSAGE".into(),
            Subject::Login => request.login.clone().unwrap_or_default(),
            Subject::Certificate => {
                let certificate = request.client_certificate.as_ref();
                certificate.map(|certificate| certificate.subject.clone()).unwrap_or_default()
            }
        }
    }

    /// A refusal: `<what>: Class rejected: text`.
    pub(crate) fn rejected(
        &self,
        context: &Context,
        code: u16,
        enhanced: (u8, u16, u16),
        text: &str,
    ) -> Reply {
        let (what, subject) = (self.what(context), context.subject);
        Reply::new(code, enhanced, format!("<{what}>: {subject} rejected: {text}"))
    }

    /// A refusal in an administrator's words, which may begin with an enhanced status code (specification: a code of
    /// three numbers, the first of which becomes the reply's).
    pub(crate) fn rejected_in_words(
        &mut self,
        context: &Context,
        code: u16,
        words: &str,
        empty: &str,
    ) -> Reply {
        let default = (first_digit(code), 7, 1);
        let (enhanced, text) = split_enhanced(words).unwrap_or((default, words));
        let enhanced = (first_digit(code), enhanced.1, enhanced.2);
        let enhanced = context.subject.fitted(enhanced, &mut self.log);
        self.rejected(context, code, enhanced, if text.is_empty() { empty } else { text })
    }
}
