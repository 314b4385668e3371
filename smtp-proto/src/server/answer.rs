//! Verdicts on their way back.

use super::question::{Command, Connect, Data, EndOfData, Etrn, Expand, Hello, Mail, Rcpt, Tls, Verify};
use super::session::Server;
use super::timers::Timer;
use crate::reply::Refusal;
use proto_core::sasl::Authenticate;
use proto_core::{Ask, CallerFault, Now, Question};

/// A question that a [`Server`] puts. Not to be implemented elsewhere.
pub trait ServerQuestion: Question + settle::Settle {}

impl<Q: Question + settle::Settle> ServerQuestion for Q {}

mod settle {
    use super::Server;
    use proto_core::{Now, Question};

    pub trait Settle: Question + Sized {
        fn settle(self, server: &mut Server, now: Now, verdict: Self::Verdict);
    }
}

impl Server {
    /// Gives the verdict on a question that an [`Event`](super::Event) put; the session goes on with the next
    /// [`Machine::poll_event`](proto_core::Machine::poll_event).
    ///
    /// # Errors
    /// [`CallerFault::StaleAsk`] when the session does not wait for it any more
    /// ([`Event::Cancelled`](super::Event::Cancelled) told so).
    pub fn answer<Q: ServerQuestion>(
        &mut self,
        now: Now,
        ask: Ask<Q>,
        verdict: Q::Verdict,
    ) -> Result<(), CallerFault> {
        let detail = self.close_ask(now, ask)?;
        detail.settle(self, now, verdict);
        Ok(())
    }

    /// Refuses the credentials of an AUTH exchange that is not to be judged at all (too many of them came, say), in words of
    /// one's own: no failed login is counted. A refusal with the code 421 closes the connection.
    ///
    /// # Errors
    /// As of [`Server::answer`].
    pub fn refuse_authenticate(
        &mut self,
        now: Now,
        ask: Ask<Authenticate>,
        refusal: &Refusal,
    ) -> Result<(), CallerFault> {
        self.close_ask(now, ask)?;
        self.end_exchange();
        self.refuse_by_verdict(now, refusal);
        Ok(())
    }

    /// The session no longer waits for an answer.
    fn close_ask<Q: Question>(&mut self, now: Now, ask: Ask<Q>) -> Result<Q, CallerFault> {
        let detail = self.asks.close(ask)?;
        self.timers.stop(Timer::Verdict);
        self.excuse(now, now.instant.saturating_since(self.asked_at));
        self.start_command_timer(now);
        Ok(detail)
    }
}

/// `Question => Server method`, with the question's detail where the method wants it.
macro_rules! settled_by {
    ($($question:ty => $method:ident $(($detail:ident))?;)*) => {$(
        impl settle::Settle for $question {
            fn settle(self, server: &mut Server, now: Now, verdict: Self::Verdict) {
                $(let $detail = self;)?
                server.$method(now, $($detail,)? verdict);
            }
        }
    )*};
}

settled_by! {
    Connect => settle_connect;
    Tls => settle_tls;
    Command => settle_command;
    Hello => settle_hello(detail);
    Etrn => settle_etrn(detail);
    Authenticate => settle_authenticate;
    Mail => settle_mail(detail);
    Rcpt => settle_rcpt(detail);
    Data => settle_data;
    EndOfData => settle_end_of_data;
    Verify => settle_verify(detail);
    Expand => settle_expand(detail);
}
