//! The application of one session: answers its asks from the shared store, streams bodies, passes news on.

use super::Shared;
use super::store::{Listener, Message, date};
use imap_proto::server::{
    AppendBegin, Appended, Close, Copied, Event, Expunge, Fetch, List, MessageData, Refusal, Select,
    Selected, Server, Store as StoreFlags,
};
use imap_proto::types::{DateTime, FetchItem, ListData, MailboxName, StoreAction};
use imap_proto::view::Change;
use mail_message::header::select_fields;
use mail_message::{Flag, FlagSet, SectionText, Uid, UidSet};
use proto_core::{Ask, Now, TlsInfo};
use std::collections::VecDeque;
use testkit::{Account, Fixture, Log};

/// A FETCH under way.
#[derive(Debug)]
struct Fetching {
    ask: Ask<Fetch>,
    todo: VecDeque<Uid>,
    /// The sections of the message under way that are not begun.
    sections: VecDeque<Option<Vec<u8>>>,
    /// The rest of the one that is.
    rest: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: usize,
    pub(crate) store: Shared,
    log: Log,
    fetching: Option<Fetching>,
    append: Option<(AppendParts, Vec<u8>)>,
    /// Events whose names end so are kept, unanswered, until `@release`.
    hold: Option<String>,
    held: Option<Event>,
    /// The client shows a certificate in the handshake.
    certificate: bool,
}

#[derive(Debug)]
struct AppendParts {
    mailbox: MailboxName,
    flags: FlagSet,
    date: Option<DateTime>,
}

impl Session {
    pub(crate) fn new(store: Shared) -> Self {
        let id = store.borrow().sessions;
        store.borrow_mut().sessions += 1;
        Self {
            id,
            store,
            log: Log::default(),
            fetching: None,
            append: None,
            hold: None,
            held: None,
            certificate: false,
        }
    }

    pub(crate) fn holding(self, what: Option<&str>) -> Self {
        Self { hold: what.map(str::to_string), ..self }
    }

    pub(crate) fn with_certificate(self, certificate: bool) -> Self {
        Self { certificate, ..self }
    }

    fn selected(&self) -> MailboxName {
        self.store.borrow().listeners[&self.id].mailbox.clone()
    }

    fn answer(&mut self, machine: &mut Server, now: Now, event: Event) {
        let store = self.store.clone();
        match event {
            Event::Authenticate(ask) => {
                let credentials = &ask.detail.credentials;
                self.log.event(format_args!("authenticate {}", credentials.authcid().unwrap_or_default()));
                let store = store.borrow();
                let verdict = Account::new(&*store.user, &*store.password).judge(credentials);
                machine.answer(now, ask, verdict).unwrap();
            }
            Event::List(ask) => self.list(machine, now, ask),
            Event::Subscribe(ask) => {
                store.borrow_mut().subscribed.insert(ask.detail.mailbox.clone());
                machine.answer(now, ask, Ok(())).unwrap();
            }
            Event::Unsubscribe(ask) => {
                let was = store.borrow_mut().subscribed.remove(&ask.detail.mailbox);
                machine.answer(now, ask, if was { Ok(()) } else { Err(Refusal::NonExistent) }).unwrap();
            }
            Event::Create(ask) => {
                let new = store.borrow_mut().create(ask.detail.mailbox.clone());
                machine.answer(now, ask, if new { Ok(()) } else { Err(Refusal::AlreadyExists) }).unwrap();
            }
            Event::Delete(ask) => {
                let was = store.borrow_mut().mailboxes.remove(&ask.detail.mailbox).is_some();
                machine.answer(now, ask, if was { Ok(()) } else { Err(Refusal::NonExistent) }).unwrap();
            }
            Event::Rename(ask) => {
                let mut store = store.borrow_mut();
                let verdict = match store.mailboxes.remove(&ask.detail.from) {
                    None => Err(Refusal::NonExistent),
                    Some(mailbox) => {
                        store.mailboxes.insert(ask.detail.to.clone(), mailbox);
                        Ok(())
                    }
                };
                machine.answer(now, ask, verdict).unwrap();
            }
            Event::Status(ask) => {
                let store = store.borrow();
                let verdict = match store.mailboxes.get(&ask.detail.mailbox) {
                    None => Err(Refusal::NonExistent),
                    Some(mailbox) => {
                        Ok(ask.detail.items.iter().map(|&item| (item, mailbox.status(item))).collect())
                    }
                };
                machine.answer(now, ask, verdict).unwrap();
            }
            Event::Select(ask) => self.select(machine, now, ask),
            Event::Fetch(ask) => {
                let todo: VecDeque<Uid> = ask.detail.messages.iter().map(|(_, uid)| uid).collect();
                self.log.event(format_args!(
                    "fetch {:?} seen {}",
                    ask.detail.messages.uids(),
                    ask.detail.set_seen
                ));
                self.fetching = Some(Fetching { ask, todo, sections: VecDeque::new(), rest: Vec::new() });
            }
            Event::Store(ask) => self.store_flags(machine, now, ask),
            Event::Copy(ask) => {
                let from = self.selected();
                let to = ask.detail.mailbox.clone();
                let mut store = store.borrow_mut();
                if !store.mailboxes.contains_key(&to) {
                    return machine.answer(now, ask, Err(Refusal::NonExistent)).unwrap();
                }
                let source = ask.detail.messages.uids().intersect(&store.mailboxes[&from].uids());
                let messages: Vec<Message> =
                    source.iter().map(|uid| store.mailboxes[&from].find(uid).unwrap().clone()).collect();
                let copies: UidSet =
                    messages.into_iter().map(|m| store.deliver(&to, m.octets, m.flags, m.date)).collect();
                let uid_validity = store.mailboxes[&to].uid_validity;
                let copied =
                    (!copies.is_empty()).then_some(Copied { uid_validity, from: source, to: copies });
                drop(store);
                self.pass_news(machine, now);
                machine.answer(now, ask, Ok(copied)).unwrap();
            }
            Event::Search(ask) => {
                self.log.event(format_args!("search {:?}", ask.detail.key));
                let found = store.borrow().mailboxes[&self.selected()].search(&ask.detail.key);
                machine.answer(now, ask, Ok(found)).unwrap();
            }
            Event::AppendBegin(ask) => {
                let AppendBegin { mailbox, flags, date, octets, .. } = ask.detail.clone();
                self.log.event(format_args!("append to {mailbox}, {octets} octets, flags ({flags})"));
                let verdict = {
                    let store = store.borrow();
                    match (store.mailboxes.contains_key(&mailbox), store.quota_bytes) {
                        (false, _) => Err(Refusal::NonExistent),
                        (true, Some(quota)) if octets > quota => Err(Refusal::OverQuota),
                        _ => Ok(()),
                    }
                };
                if verdict.is_ok() {
                    self.append = Some((AppendParts { mailbox, flags, date }, Vec::new()));
                }
                machine.answer(now, ask, verdict).unwrap();
            }
            Event::AppendChunk(octets) => {
                self.log.body(&octets);
                self.append.as_mut().unwrap().1.extend_from_slice(&octets);
            }
            Event::AppendEnd(ask) => {
                let (parts, octets) = self.append.take().unwrap();
                assert_eq!(ask.detail.octets, octets.len() as u64);
                let mut store = store.borrow_mut();
                let uid = store.deliver(&parts.mailbox, octets, parts.flags, parts.date.unwrap_or_else(date));
                let uid_validity = store.mailboxes[&parts.mailbox].uid_validity;
                drop(store);
                self.pass_news(machine, now);
                machine.answer(now, ask, Ok(Some(Appended { uid_validity, uid }))).unwrap();
            }
            Event::AppendAborted => {
                self.append.take().unwrap();
                self.log.event("append aborted");
            }
            Event::Expunge(ask) => {
                let Expunge { uids, .. } = ask.detail.clone();
                let name = self.selected();
                let deleted = |m: &Message| m.flags.contains(&Flag::Deleted);
                let gone = store.borrow_mut().remove(&name, Some(self.id), |message| {
                    deleted(message) && uids.as_ref().is_none_or(|uids| uids.contains(message.uid))
                });
                machine.answer(now, ask, Ok(gone)).unwrap();
            }
            Event::Close(ask) => {
                let Close { expunge, .. } = ask.detail;
                self.log.event(format_args!("close, expunge {expunge}"));
                let name = self.selected();
                if expunge {
                    store.borrow_mut().remove(&name, Some(self.id), |m| m.flags.contains(&Flag::Deleted));
                }
                store.borrow_mut().listeners.remove(&self.id);
                machine.answer(now, ask, Ok(())).unwrap();
            }
            Event::Check(ask) => machine.answer(now, ask, Ok(())).unwrap(),
            Event::IdleStarted => self.log.event("idle"),
            Event::IdleStopped => self.log.event("idle no more"),
            Event::LoginFailed(failed) => self.log.event(testkit::account::failed(&failed)),
            Event::Cancelled(_) => {
                self.held = None;
                self.fetching = None;
                self.log.event("cancelled");
            }
            other => panic!("an event the fixture does not know: {other:?}"),
        }
    }

    fn list(&mut self, machine: &mut Server, now: Now, ask: Ask<List>) {
        let store = self.store.clone();
        let store = store.borrow();
        let all: Vec<&MailboxName> = if ask.detail.subscribed {
            store.subscribed.iter().collect()
        } else {
            store.mailboxes.keys().collect()
        };
        for name in all.into_iter().filter(|name| ask.detail.pattern.matches(name)) {
            let children = store.mailboxes.keys().any(|other| other.parent().as_ref() == Some(name));
            let attribute = if children { "has" } else { "has no" };
            let attributes = match attribute {
                "has" => vec![imap_proto::types::MailboxAttribute::HasChildren],
                _ => vec![imap_proto::types::MailboxAttribute::HasNoChildren],
            };
            machine.listed(now, &ask, ListData { attributes, mailbox: name.clone() }).unwrap();
        }
        machine.answer(now, ask, Ok(())).unwrap();
    }

    fn select(&mut self, machine: &mut Server, now: Now, ask: Ask<Select>) {
        let Select { mailbox: name, read_only, .. } = ask.detail.clone();
        self.log.event(format_args!("select {name}, read-only {read_only}"));
        let store = self.store.clone();
        let mut store = store.borrow_mut();
        store.listeners.remove(&self.id);
        let Some(mailbox) = store.mailboxes.get_mut(&name) else {
            return machine.answer(now, ask, Err(Refusal::NonExistent)).unwrap();
        };
        let recent =
            mailbox.messages.iter().filter(|message| message.recent).map(|message| message.uid).collect();
        if !read_only {
            mailbox.messages.iter_mut().for_each(|message| message.recent = false);
        }
        let permanent_flags = Flag::SYSTEM.into_iter().collect();
        let keywords =
            mailbox.messages.iter().flat_map(|m| m.flags.keywords().iter().cloned().map(Flag::Keyword));
        let mut selected = Selected::new(mailbox.uid_validity, mailbox.uid_next, mailbox.uids());
        selected.recent = recent;
        selected.first_unseen =
            mailbox.messages.iter().find(|m| !m.flags.contains(&Flag::Seen)).map(|m| m.uid);
        selected.flags = keywords.collect();
        selected.permanent_flags = permanent_flags;
        selected.new_keywords = true;
        store.listeners.insert(self.id, Listener { mailbox: name, read_only, news: VecDeque::new() });
        machine.answer(now, ask, Ok(selected)).unwrap();
    }

    fn store_flags(&mut self, machine: &mut Server, now: Now, ask: Ask<StoreFlags>) {
        let name = self.selected();
        let store = self.store.clone();
        let mut store = store.borrow_mut();
        self.log.event(format_args!("store {:?}", ask.detail.messages.uids()));
        for (_, uid) in ask.detail.messages.iter() {
            let StoreFlags { action, flags, .. } = &ask.detail;
            store.flag(&name, uid, Some(self.id), |now| match action {
                StoreAction::Add => now.insert_all(flags),
                StoreAction::Remove => now.remove_all(flags),
                StoreAction::Replace => *now = flags.clone(),
            });
            match store.mailboxes[&name].find(uid) {
                Some(message) => machine.stored(now, &ask, uid, message.flags.clone()).unwrap(),
                None => machine.gone(now, &ask, uid).unwrap(),
            }
        }
        machine.answer(now, ask, Ok(())).unwrap();
    }

    /// Goes on with a FETCH as far as there is room; whether it did anything.
    fn fetch_on(&mut self, machine: &mut Server, now: Now) -> bool {
        let mut moved = false;
        while let Some(fetching) = &mut self.fetching {
            if !fetching.rest.is_empty() {
                let taken = machine.write_body(now, &fetching.rest);
                fetching.rest.drain(..taken);
                moved |= taken > 0;
                if taken == 0 {
                    return moved;
                }
            } else if machine.room() == 0 {
                return moved;
            } else if let Some(section) = fetching.sections.pop_front() {
                let octets = section.as_ref().map(|octets| octets.len() as u64);
                machine.section(now, &fetching.ask, octets).unwrap();
                fetching.rest = section.unwrap_or_default();
                moved = true;
            } else if let Some(uid) = fetching.todo.pop_front() {
                let name = self.store.borrow().listeners[&self.id].mailbox.clone();
                let mut store = self.store.borrow_mut();
                moved = true;
                if store.mailboxes[&name].find(uid).is_none() {
                    machine.gone(now, &fetching.ask, uid).unwrap();
                    continue;
                }
                let mut got_seen = false;
                if fetching.ask.detail.set_seen {
                    store.flag(&name, uid, Some(self.id), |flags| got_seen = flags.insert(Flag::Seen));
                }
                let message = store.mailboxes[&name].find(uid).unwrap();
                let scanned = message.scan();
                let wanted = |item| fetching.ask.detail.wants(&item);
                let mut data = MessageData::default();
                data.flags = (got_seen || wanted(FetchItem::Flags)).then(|| message.flags.clone());
                data.internal_date = Some(message.date);
                data.size = Some(message.octets.len() as u64);
                data.envelope = Some(Box::new(scanned.envelope.clone()));
                data.structure = Some(Box::new(scanned.body_structure()));
                machine.fetch(now, &fetching.ask, uid, data).unwrap();
                fetching.sections =
                    fetching.ask.detail.sections().map(|item| section(item, message, &scanned)).collect();
            } else {
                let Some(Fetching { ask, .. }) = self.fetching.take() else { return moved };
                machine.answer(now, ask, Ok(())).unwrap();
                return true;
            }
        }
        moved
    }

    /// Hands in what the session has to hear, flags as they are now.
    fn pass_news(&mut self, machine: &mut Server, now: Now) -> bool {
        let mut store = self.store.borrow_mut();
        let Some(listener) = store.listeners.get_mut(&self.id) else { return false };
        let (name, news) = (listener.mailbox.clone(), std::mem::take(&mut listener.news));
        let any = !news.is_empty();
        for mut change in news {
            if let Change::Flags { uid, flags } = &mut change {
                match store.mailboxes[&name].find(*uid) {
                    Some(message) => flags.clone_from(&message.flags),
                    None => continue,
                }
            }
            machine.notify(now, change).unwrap();
        }
        any
    }
}

/// The octets that an item asks for.
fn section(item: &FetchItem, message: &Message, scanned: &mail_message::mime::Message) -> Option<Vec<u8>> {
    let whole = |part: &mail_message::Section| {
        let range = part.locate(scanned)?;
        Some(message.octets[range.start as usize..range.end as usize].to_vec())
    };
    let text = |text| mail_message::Section { part: Vec::new(), text: Some(text) };
    match item {
        FetchItem::Rfc822 => Some(message.octets.clone()),
        FetchItem::Rfc822Header => whole(&text(SectionText::Header)),
        FetchItem::Rfc822Text => whole(&text(SectionText::Text)),
        FetchItem::Section { section, partial, .. } => {
            let mut octets = whole(section)?;
            if let Some(SectionText::HeaderFields(choice, names)) = &section.text {
                octets = select_fields(&octets, *choice, names);
            }
            let Some(partial) = partial else { return Some(octets) };
            let range = partial.range_of(octets.len() as u64);
            Some(octets[range.start as usize..range.end as usize].to_vec())
        }
        other => panic!("{other:?} is no octets"),
    }
}

fn uids(text: &str) -> UidSet {
    text.split(',').map(|n| Uid::new(n.parse().unwrap()).unwrap()).collect()
}

impl Fixture<Server> for Session {
    fn tls_info(&self) -> TlsInfo {
        let mut info = TlsInfo::default();
        info.peer_certificate = self.certificate.then(|| b"a certificate".to_vec());
        info
    }

    fn on_event(&mut self, machine: &mut Server, now: Now, event: Event) {
        let kind = format!("{event:?}");
        if self.hold.as_ref().is_some_and(|hold| kind.to_lowercase().starts_with(hold)) {
            self.held = Some(event);
        } else {
            self.answer(machine, now, event);
        }
    }

    fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    fn on_idle(&mut self, machine: &mut Server, now: Now) -> bool {
        let fetched = self.fetch_on(machine, now);
        self.pass_news(machine, now) | fetched
    }

    /// What others do to INBOX: `@deliver TEXT`, `@flag UIDS FLAGS`, `@expunge UIDS`; `@quota OCTETS`; and
    /// `@release` of an event that was held.
    fn on_directive(
        &mut self,
        machine: &mut Server,
        now: Now,
        name: &str,
        arguments: &str,
    ) -> Result<(), String> {
        let inbox = MailboxName::inbox();
        match name {
            "deliver" => {
                let octets = format!("Subject: {arguments}\r\n\r\nnew\r\n").into_bytes();
                self.store.borrow_mut().deliver(&inbox, octets, FlagSet::new(), date());
            }
            "flag" => {
                let (which, flags) = arguments.split_once(' ').ok_or("@flag UIDS FLAGS")?;
                let flags: FlagSet = flags.split(' ').map(|flag| flag.parse().unwrap()).collect();
                for uid in uids(which).iter() {
                    self.store.borrow_mut().flag(&inbox, uid, None, |all| all.insert_all(&flags));
                }
            }
            "expunge" => {
                let which = uids(arguments);
                self.store.borrow_mut().remove(&inbox, None, |message| which.contains(message.uid));
            }
            "quota" => self.store.borrow_mut().quota_bytes = arguments.parse().ok(),
            "release" => {
                self.hold = None;
                let event = self.held.take().ok_or("nothing is held")?;
                self.answer(machine, now, event);
            }
            other => return Err(format!("the fixture knows no @{other}")),
        }
        Ok(())
    }
}
