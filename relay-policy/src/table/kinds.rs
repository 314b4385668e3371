//! The kinds of tables there are, for who wants to be told.

/// A kind of table, as it stands before the colon of `type:name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kind {
    /// The word.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// Whether it is looked up here. Of the others only the name is known: whoever evaluates is asked (see
    /// [`LookupError::Elsewhere`](super::LookupError::Elsewhere)).
    pub is_here: bool,
}

/// All of them, by their names.
pub const KINDS: &[Kind] = &[
    here("btree", "a text file, as texthash"),
    here("cdb", "a constant database, which postmap compiles from a text file"),
    here("cidr", "a file of networks; the first that has the address counts"),
    here("dbm", "a text file, as texthash"),
    elsewhere("directory", "the accounts there are"),
    here("fail", "a table that fails, for tests"),
    here("hash", "a text file, as texthash"),
    here("inline", "keys and texts in the configuration: inline:{key=text, {key = text with blanks}}"),
    elsewhere("ldap", "an LDAP server"),
    here("lmdb", "a text file, as texthash"),
    elsewhere("memcache", "a memcache server"),
    elsewhere("mongodb", "a MongoDB server"),
    elsewhere("mysql", "a MySQL server (SQL)"),
    elsewhere("nis", "NIS"),
    elsewhere("nisplus", "NIS+"),
    here("pcre", "a file of patterns as Perl has them; the first that matches counts"),
    elsewhere("pgsql", "a PostgreSQL server (SQL)"),
    here("pipemap", "tables, each asked for what the one before has: pipemap:{type:name, type:name}"),
    here("proxy", "the table behind it: proxy:type:name"),
    here("randmap", "one of several texts by chance: randmap:{text, text}"),
    here("regexp", "a file of patterns as POSIX has them; the first that matches counts"),
    here("sdbm", "a text file, as texthash"),
    elsewhere("socketmap", "a server that speaks sendmail's protocol for tables"),
    elsewhere("sqlite", "an SQLite file (SQL)"),
    here("static", "the same text beside every key"),
    elsewhere("tcp", "a server that speaks Postfix's protocol for tables"),
    here("texthash", "a text file: a key, blanks and a text on each line"),
    here("unionmap", "what several tables have, joined with commas: unionmap:{type:name, type:name}"),
    elsewhere("unix", "the users and groups of the system"),
];

const fn here(name: &'static str, what: &'static str) -> Kind {
    Kind { name, what, is_here: true }
}

const fn elsewhere(name: &'static str, what: &'static str) -> Kind {
    Kind { name, what, is_here: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{LookupError, Opener, compile_cdb};

    #[test]
    fn each_is_what_it_is_said_to_be() {
        assert!(KINDS.is_sorted_by_key(|kind| kind.name));
        let read = |path: &str| match path {
            "x.cdb" => Ok(compile_cdb("x", b"k v", false).expect("invariant: it is small").0),
            _ => Ok(Vec::new()),
        };
        for Kind { name, is_here, .. } in KINDS {
            let definition = match *name {
                "proxy" => "static:x",
                "inline" | "randmap" => "{k=v}",
                "unionmap" | "pipemap" => "{static:x}",
                _ => "x",
            };
            let opened = Opener::new(&read).open(&format!("{name}:{definition}"));
            let opened = opened.unwrap_or_else(|error| panic!("{name}: {error}"));
            let is_asked = matches!(opened.table.look_up("k"), Err(LookupError::Elsewhere { .. }));
            assert_eq!(is_asked, !is_here, "{name}");
        }
    }
}
