//! `postscreen_access_list`: who is never tested, and who has failed already.

use crate::access::Log;
use crate::match_list::MatchList;
use crate::table::{Answers, Opener, Table, Warning};
use crate::words::{is_table, words};
use std::net::IpAddr;
use std::sync::Arc;

/// One element.
#[derive(Debug, Clone)]
enum Element {
    PermitMynetworks,
    Table(Arc<dyn Table>),
    Say(Said),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Permit,
    Reject,
    Dunno,
}

/// The list, read.
#[derive(Debug, Clone)]
pub(super) struct AccessList {
    elements: Vec<Element>,
    mynetworks: MatchList,
}

impl AccessList {
    pub(super) fn read(
        entries: &[String],
        mynetworks: MatchList,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, String> {
        let mut elements = Vec::new();
        for entry in entries {
            elements.push(if entry.eq_ignore_ascii_case(PERMIT_MYNETWORKS) {
                Element::PermitMynetworks
            } else if let Some(said) = said(entry) {
                Element::Say(said)
            } else if is_table(entry) {
                let opened = opener.open(entry).map_err(|error| error.to_string())?;
                warnings.extend(opened.warnings);
                Element::Table(opened.table)
            } else {
                return Err(format!(
                    "{entry}: expected permit_mynetworks, permit, reject, dunno or a table, type:name"
                ));
            });
        }
        Ok(Self { elements, mynetworks })
    }

    /// What the first element says that does.
    pub(super) fn find(&self, client: IpAddr, log: &mut Log) -> Said {
        let address = client.to_canonical().to_string();
        for element in &self.elements {
            let said = match element {
                Element::Say(said) => *said,
                Element::PermitMynetworks => self.in_mynetworks(client, log),
                Element::Table(table) => match table.look_up(&address) {
                    Ok(None) => Said::Dunno,
                    Ok(Some(found)) => self.beside(&found.text, table.name(), client, log),
                    Err(error) => {
                        log.warn(format!("{error}; searching postscreen_access_list goes on without it"));
                        Said::Dunno
                    }
                },
            };
            if said != Said::Dunno {
                return said;
            }
        }
        Said::Dunno
    }

    /// What stands beside an address in a table.
    fn beside(&self, text: &str, table: &str, client: IpAddr, log: &mut Log) -> Said {
        for word in words(text) {
            let said = if word.eq_ignore_ascii_case(PERMIT_MYNETWORKS) {
                self.in_mynetworks(client, log)
            } else if let Some(said) = said(word) {
                said
            } else {
                log.warn(format!("{table}: {word}: expected permit_mynetworks, permit, reject or dunno"));
                return Said::Dunno;
            };
            if said != Said::Dunno {
                return said;
            }
        }
        Said::Dunno
    }

    fn in_mynetworks(&self, client: IpAddr, log: &mut Log) -> Said {
        // Nobody has looked for the client's name, so names in the list match nobody.
        match self.mynetworks.matches_host("unknown", client, &Answers::default()) {
            Ok(Some(_)) => Said::Permit,
            Ok(None) => Said::Dunno,
            Err(error) => {
                log.warn(format!("mynetworks: {error}"));
                Said::Dunno
            }
        }
    }
}

const PERMIT_MYNETWORKS: &str = "permit_mynetworks";

fn said(word: &str) -> Option<Said> {
    let words = [("permit", Said::Permit), ("reject", Said::Reject), ("dunno", Said::Dunno)];
    words.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, said)| said)
}
