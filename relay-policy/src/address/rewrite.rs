//! Rewriting an address to the form `user@domain`, before anything is looked up.
//!
//! A source route goes (RFC 5321 appendix C: a server may ignore it), `site!user` and `user%site` become `user@site`, a
//! local part alone gets a domain, and one dot at the end goes. What has an `@` already keeps its other operators: whether
//! they mean anything is the resolver's matter.

use super::form::{Address, Token, join, scan, scan_internal, scan_list};
use std::borrow::Cow;

/// How an address is completed. The fields are Postfix's parameters of the same names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewriting {
    /// `site!user` is `user@site`.
    pub swap_bangpath: bool,
    /// `user%site` is `user@site`.
    pub allow_percent_hack: bool,
    /// A local part alone gets [`myorigin`](Self::myorigin) in the local context.
    pub append_at_myorigin: bool,
    /// A domain without a dot gets [`mydomain`](Self::mydomain) in the local context.
    pub append_dot_mydomain: bool,
    /// The domain of those who have none.
    pub myorigin: String,
    /// The domain of hosts that have none.
    pub mydomain: String,
    /// In place of both in the remote context. Where it is empty, nothing is completed there.
    pub remote_header_rewrite_domain: String,
}

/// Whose words an address is completed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RewriteContext {
    /// Ours: mail submitted here, and every address of an envelope.
    Local,
    /// Somebody else's: header fields of mail that comes from elsewhere.
    Remote,
}

impl Rewriting {
    /// The defaults, with one name for origin and domain.
    pub fn new(domain: impl Into<String>) -> Self {
        let domain = domain.into();
        Self {
            swap_bangpath: true,
            allow_percent_hack: true,
            append_at_myorigin: true,
            append_dot_mydomain: false,
            myorigin: domain.clone(),
            mydomain: domain,
            remote_header_rewrite_domain: String::new(),
        }
    }

    /// Rewrites an address in external form. The null address stays.
    ///
    /// ```
    /// use relay_policy::address::{RewriteContext, Rewriting};
    ///
    /// let rewriting = Rewriting::new("example.com");
    /// let rewritten = |external| rewriting.rewrite(external, RewriteContext::Local).to_string();
    /// assert_eq!(rewritten("joe"), "joe@example.com");
    /// assert_eq!(rewritten("host.example!joe"), "joe@host.example");
    /// assert_eq!(rewritten("@a.example,@b.example:joe@c.example."), "joe@c.example");
    /// ```
    pub fn rewrite(&self, external: &str, context: RewriteContext) -> Address {
        self.rewrite_tokens(scan(external), context)
    }

    /// Rewrites an address that was read already. What would be quoted is a name as it stands, whatever is in it. Most
    /// addresses are complete, and come back as they are.
    pub fn rewrite_internal<'a>(&self, address: &'a Address, context: RewriteContext) -> Cow<'a, Address> {
        let is_short = || address.domain().is_some_and(|domain| !domain.contains('.'));
        if address.is_plain() && !(self.append_dot_mydomain && is_short()) {
            Cow::Borrowed(address)
        } else {
            Cow::Owned(self.rewrite(&address.external(), context))
        }
    }

    /// Reads an address of a header without its comments: as it was, and as it is rewritten. None where words stand beside
    /// each other with nothing between them, which is no address.
    pub(crate) fn rewrite_in_header(
        &self,
        external: &str,
        context: RewriteContext,
    ) -> Option<(Address, Address)> {
        let mut tokens = scan(external);
        tokens.retain(|token| !matches!(token, Token::Comment(_)));
        let is_word = |token: &Token| !matches!(token, Token::Operator(_));
        if tokens.windows(2).any(|pair| pair.iter().all(is_word)) {
            return None;
        }
        let before = join(&tokens);
        Some((before, self.rewrite_tokens(tokens, context)))
    }

    /// Rewrites every address of a list in external form, in the local context.
    pub(super) fn rewrite_list(&self, external: &str) -> Vec<Address> {
        let rewritten = |tokens| self.rewrite_tokens(tokens, RewriteContext::Local);
        scan_list(external).into_iter().map(rewritten).collect()
    }

    fn rewrite_tokens(&self, mut tokens: Vec<Token>, context: RewriteContext) -> Address {
        self.rewrite_in_place(&mut tokens, context);
        join(&tokens)
    }

    pub(super) fn rewrite_in_place(&self, tokens: &mut Vec<Token>, context: RewriteContext) {
        let is_nobody = |token: &Token| matches!(token, Token::Quoted(text) if text.is_empty());
        if tokens.iter().all(is_nobody) {
            return;
        }
        let (origin, domain) = match context {
            RewriteContext::Local => (&self.myorigin, &self.mydomain),
            RewriteContext::Remote => {
                (&self.remote_header_rewrite_domain, &self.remote_header_rewrite_domain)
            }
        };
        drop_source_route(tokens);
        if !tokens.iter().any(|token| token.is('@')) {
            self.find_domain(tokens, origin);
        }
        if self.append_dot_mydomain && !domain.is_empty() && has_short_domain(tokens) {
            tokens.push(Token::Operator('.'));
            tokens.extend(scan_internal(domain));
        }
        drop_trailing_dot(tokens);
    }

    /// Makes `user@domain` of what has no `@`.
    fn find_domain(&self, tokens: &mut Vec<Token>, origin: &str) {
        let first = |operator| tokens.iter().position(|token: &Token| token.is(operator));
        let bang = first('!').filter(|_| self.swap_bangpath);
        let percent = tokens.iter().rposition(|token| token.is('%')).filter(|_| self.allow_percent_hack);
        if let Some(bang) = bang {
            let user = tokens.split_off(bang + 1);
            tokens.pop();
            let site = std::mem::replace(tokens, user);
            tokens.push(Token::Operator('@'));
            tokens.extend(site);
        } else if let Some(percent) = percent {
            tokens[percent] = Token::Operator('@');
        } else if self.append_at_myorigin && !origin.is_empty() {
            tokens.push(Token::Operator('@'));
            tokens.extend(scan_internal(origin));
        }
    }
}

/// `@a,@b:user@c` is `user@c`.
fn drop_source_route(tokens: &mut Vec<Token>) {
    if tokens.first().is_some_and(|token| token.is('@'))
        && let Some(colon) = tokens.iter().position(|token| token.is(':'))
        && colon + 1 < tokens.len()
    {
        tokens.drain(..=colon);
    }
}

/// Whether the domain is a single label.
fn has_short_domain(tokens: &[Token]) -> bool {
    let after = |at: usize| &tokens[at + 1..];
    let domain = tokens.iter().rposition(|token| token.is('@')).map_or(&[][..], after);
    // In what was never quoted, an address in brackets is made of words, too.
    let is_literal = |token: &Token| {
        matches!(token, Token::Literal(_)) || matches!(token, Token::Word(word) if word.starts_with('['))
    };
    let is_long = |token: &Token| token.is('.') || is_literal(token);
    !domain.is_empty() && !domain.iter().any(is_long)
}

/// One dot at the end is nothing; two are an error, and so is one that follows the `@`.
pub(super) fn drop_trailing_dot(tokens: &mut Vec<Token>) {
    if let [.., before, last] = tokens.as_slice()
        && last.is('.')
        && !(before.is('.') || before.is('@'))
    {
        tokens.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RewriteContext::{Local, Remote};

    #[test]
    fn bangs_before_percents() {
        let rewriting = Rewriting::new("example.com");
        for (written, rewritten) in [
            ("a!b!u", "b!u@a"),
            ("u%b%a", "u%b@a"),
            ("a!u%b", "u%b@a"),
            ("\"a!u\"", "a!u@example.com"),
            ("a!u@b", "a!u@b"),
            ("a!", "\"\"@a"),
            ("u%a.", "u@a"),
            ("u@.", "u@."),
            ("@a:", "\"\"@a:"),
            ("", ""),
            ("\"\"", ""),
        ] {
            assert_eq!(rewriting.rewrite(written, Local).to_string(), rewritten, "{written}");
        }
    }

    #[test]
    fn what_is_quoted_is_no_route() {
        let rewriting = Rewriting::new("example.com");
        let address = Address::internal("@a:u@relay.example");
        assert_eq!(*rewriting.rewrite_internal(&address, Local), address);
        assert_eq!(rewriting.rewrite("@a:u@relay.example", Local).as_str(), "u@relay.example");
    }

    #[test]
    fn only_what_is_short_is_completed() {
        let mut rewriting = Rewriting::new("example.com");
        rewriting.append_dot_mydomain = true;
        rewriting.remote_header_rewrite_domain = "domain.invalid".into();
        for (written, context, rewritten) in [
            ("u@host", Local, "u@host.example.com"),
            ("u@host", Remote, "u@host.domain.invalid"),
            ("u@[192.0.2.1]", Local, "u@[192.0.2.1]"),
            ("u@[IPv6:::1]", Local, "u@[IPv6:::1]"),
            ("u@", Local, "u@"),
            ("u", Remote, "u@domain.invalid"),
        ] {
            assert_eq!(rewriting.rewrite(written, context).to_string(), rewritten, "{written}");
        }
        rewriting.append_at_myorigin = false;
        assert_eq!(rewriting.rewrite("u", Local).to_string(), "u");
    }
}
