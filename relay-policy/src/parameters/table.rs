//! The table of all parameters: names, kinds, defaults.

use super::value::{ParameterKind, Value};
use super::{ParameterError, PrefixBits, TempfailAction, unknown::unknown};
use crate::early::EarlyAction;
use crate::route::AddressPreference;
use crate::words::words;
use std::collections::BTreeMap;
use std::time::Duration;

macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $default:expr;)*) => {
        /// The parameters that access control has; each is documented under its name in Postfix's `postconf(5)`, too.
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub struct Parameters {
            $($(#[$doc])* pub $name: $kind,)*
            /// `smtpd_restriction_classes`: lists that are used by their name in other lists and in tables.
            pub restriction_classes: BTreeMap<String, String>,
        }

        impl Default for Parameters {
            fn default() -> Self {
                Self { $($name: <$kind>::from($default),)* restriction_classes: BTreeMap::new() }
            }
        }

        impl Parameters {
            /// The names that [`Parameters::set`] knows, but those of restriction classes.
            pub const NAMES: &'static [&'static str] =
                &[$(stringify!($name),)* "smtpd_restriction_classes"];

            /// How the value of a parameter is made up; `None` where [`Parameters::NAMES`] has no such name.
            pub fn kind(name: &str) -> Option<ParameterKind> {
                match name {
                    "smtpd_restriction_classes" => Some(ParameterKind::List),
                    $(stringify!($name) => Some(match <$kind as Value>::KIND {
                        ParameterKind::Text if name.ends_with("_restrictions") => ParameterKind::Restrictions,
                        kind => kind,
                    }),)*
                    _ => None,
                }
            }

            /// Sets a parameter by its name in `main.cf`.
            ///
            /// The names in `smtpd_restriction_classes` become parameters themselves, so it stands before them; those that
            /// were there before keep their lists.
            ///
            /// # Errors
            /// [`ParameterError`] for a name that is none of these, and for a value that is none of the kind.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), ParameterError> {
                let value = value.trim();
                let wrong = |expected: &'static str| ParameterError {
                    name: name.into(),
                    value: value.into(),
                    expected: expected.into(),
                };
                match name {
                    $(stringify!($name) => {
                        self.$name = Value::read(value).ok_or(wrong(<$kind as Value>::EXPECTED))?;
                    })*
                    "smtpd_restriction_classes" => {
                        let mut known = std::mem::take(&mut self.restriction_classes);
                        let classes = words(value).into_iter();
                        let defined = classes.map(|class| (class.into(), known.remove(class).unwrap_or_default()));
                        self.restriction_classes = defined.collect();
                    }
                    _ => match self.restriction_classes.get_mut(name) {
                        Some(class) => *class = value.into(),
                        None => return Err(unknown(name, value)),
                    },
                }
                Ok(())
            }
        }
    };
}

const DAY_SECONDS: u64 = 24 * 60 * 60;

parameters! {
    /// Rules for clients, asked with each command in its turn.
    smtpd_client_restrictions: String = "";
    /// Rules for HELO and EHLO.
    smtpd_helo_restrictions: String = "";
    /// Rules for MAIL.
    smtpd_sender_restrictions: String = "";
    /// Rules for RCPT: who may send where.
    smtpd_relay_restrictions: String = "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination";
    /// Rules for RCPT: which recipients are taken, from those who may.
    smtpd_recipient_restrictions: String = "";
    /// Rules for DATA, and for the first BDAT.
    smtpd_data_restrictions: String = "";
    /// Rules for the end of the message.
    smtpd_end_of_data_restrictions: String = "";
    /// Rules for ETRN.
    smtpd_etrn_restrictions: String = "";

    /// Whether the lists for the client, HELO and the sender are asked with RCPT and not before.
    smtpd_delay_reject: bool = true;
    /// Whether the relay list is asked before the recipient list.
    smtpd_relay_before_recipient_restrictions: bool = true;
    /// Whether recipients of ours must exist, whatever the lists say.
    smtpd_reject_unlisted_recipient: bool = true;
    /// Whether senders of ours must exist, whatever the lists say.
    smtpd_reject_unlisted_sender: bool = false;
    /// Whether a refusal says in which table nothing was found.
    show_user_unknown_table_name: bool = true;
    /// Whether all refusals are temporary ones, and what cannot be delivered waits.
    soft_bounce: bool = false;
    /// Whether addresses that another mailer may open are relayed for everybody: this opens the relay.
    allow_untrusted_routing: bool = false;
    /// What stands behind every refusal, in a line of its own or, with `\\c` in front, in the same; `\\n` begins another. `$client_address`,
    /// `$client_port`, `$localtime` and `$server_name` in it are replaced. It is not logged.
    smtpd_reject_footer: String = "";
    /// The same by the whole reply: tables.
    smtpd_reject_footer_maps: Vec<String> = [];
    /// Which restrictions are logged when they permit, by their names; a match list, so `static:all` is all of them.
    smtpd_log_access_permit_actions: Vec<String> = [];
    /// The key under which access tables have the null sender; none is asked for when it is empty.
    smtpd_null_access_lookup_key: String = "<>";
    /// The features for which `example.com` means its subdomains, too; for others, `.example.com` does.
    parent_domain_matches_subdomains: Vec<String> =
        ["mynetworks", "permit_mx_backup_networks", "relay_domains", "smtpd_access_maps"].map(String::from);
    /// The characters that end a user's name, where an extension follows.
    recipient_delimiter: String = "";

    /// The clients that are trusted by their address.
    mynetworks: Vec<String> = [];
    /// The domains with mailboxes of this machine.
    mydestination: Vec<String> = [];
    /// The domains that mail is relayed to.
    relay_domains: Vec<String> = [];
    /// The domains of which all addresses are aliases; `$virtual_alias_maps` stands for its tables: the domains are keys there.
    virtual_alias_domains: Vec<String> = ["$virtual_alias_maps"].map(String::from);
    /// The domains with mailboxes that are no users of this machine; `$virtual_mailbox_maps` stands for its tables.
    virtual_mailbox_domains: Vec<String> = ["$virtual_mailbox_maps"].map(String::from);
    /// The domain of addresses that have none; empty: `myhostname`.
    myorigin: String = "";

    /// This machine's name.
    myhostname: String = "localhost";
    /// The domain of hosts that have none.
    mydomain: String = "localdomain";
    /// The addresses of this machine; its names are not looked up, so `all` is no address.
    inet_interfaces: Vec<String> = [];
    /// The addresses under which this machine is reached through others.
    proxy_interfaces: Vec<String> = [];
    /// The domain of logins that stand without one in `smtpd_sender_login_maps` and under `check_sasl_access`.
    smtpd_sasl_local_domain: String = "";
    /// Whether addresses without a domain get `myorigin`.
    append_at_myorigin: bool = true;
    /// Whether domains without a dot get `mydomain`.
    append_dot_mydomain: bool = false;
    /// The domain of addresses in headers of strangers; empty: those are left as they are.
    remote_header_rewrite_domain: String = "";
    /// The clients whose headers are rewritten as ours, and completed.
    local_header_rewrite_clients: Vec<String> = ["permit_inet_interfaces"].map(String::from);
    /// Whether the headers of strangers are completed, too.
    always_add_missing_headers: bool = false;
    /// The fields that are taken out of every header. In Postfix, `bcc, content-length, resent-bcc, return-path` unless
    /// something is said.
    message_drop_headers: Vec<String> = [];
    /// The field that a header gets which names no recipient; empty: none.
    undisclosed_recipients_header: String = "";
    /// Whether `site!user` is `user@site`.
    swap_bangpath: bool = true;
    /// Whether `user%site` is `user@site`.
    allow_percent_hack: bool = true;
    /// Whether another address is looked for within quotes, too.
    resolve_dequoted_address: bool = true;
    /// Whether `user@` is a user of ours.
    resolve_null_domain: bool = false;
    /// Whether `user@192.0.2.1` is `user@[192.0.2.1]`.
    resolve_numeric_domain: bool = false;
    /// Whether an address may begin with `-`.
    allow_min_user: bool = false;
    /// Who an empty local part in a domain of ours is.
    empty_address_recipient: String = "MAILER-DAEMON";
    /// Whether `owner-list` and `list-request` have no extension where `-` begins one.
    owner_request_special: bool = true;
    /// The local part that reports about reports come from.
    double_bounce_sender: String = "double-bounce";
    /// Which mappings add an extension that was not looked up to their results.
    propagate_unmatched_extensions: Vec<String> = ["canonical", "virtual"].map(String::from);
    /// How often the result of a virtual alias may be looked up again.
    virtual_alias_recursion_limit: usize = 1000_usize;
    /// How many recipients a virtual alias may have.
    virtual_alias_expansion_limit: usize = 1000_usize;
    /// The most octets of a virtual alias's result.
    virtual_alias_address_length_limit: usize = 1000_usize;

    /// Where `sender_canonical_maps` is looked at.
    sender_canonical_classes: Vec<String> = ["envelope_sender", "header_sender"].map(String::from);
    /// Where `recipient_canonical_maps` is looked at.
    recipient_canonical_classes: Vec<String> = ["envelope_recipient", "header_recipient"].map(String::from);
    /// Where `canonical_maps` is looked at.
    canonical_classes: Vec<String> =
        ["envelope_sender", "envelope_recipient", "header_sender", "header_recipient"].map(String::from);
    /// Domains that stand for all below them.
    masquerade_domains: Vec<String> = [];
    /// Users who are left out of that.
    masquerade_exceptions: Vec<String> = [];
    /// Where `masquerade_domains` is looked at.
    masquerade_classes: Vec<String> =
        ["envelope_sender", "header_sender", "header_recipient"].map(String::from);
    /// Who gets a copy of everything.
    always_bcc: String = "";
    /// Who gets a copy of what a sender sends.
    sender_bcc_maps: Vec<String> = [];
    /// Who gets a copy of what a recipient gets.
    recipient_bcc_maps: Vec<String> = [];
    /// What the users of this machine stand for.
    alias_maps: Vec<String> = [];
    /// Where programs may stand as targets: `alias`, `include`. In Postfix, `alias, forward` unless something is said.
    allow_mail_to_commands: Vec<String> = [];
    /// Where files may stand as targets: `alias`, `include`. In Postfix, `alias, forward` unless something is said.
    allow_mail_to_files: Vec<String> = [];
    /// Whether mail to an alias with an owner comes from whom the owner's alias stands for.
    expand_owner_alias: bool = false;
    /// Who gets what is for users of this machine that are not there; `$user`, `$local` and their like in it are replaced.
    luser_relay: String = "";

    /// What is done about the fields of a message's header.
    header_checks: Vec<String> = [];
    /// What is done about the fields that tell of a message's structure; `$header_checks`: what is done about the others.
    mime_header_checks: Vec<String> = ["$header_checks"].map(String::from);
    /// What is done about the headers of attached messages; `$header_checks`: what is done about the message's own.
    nested_header_checks: Vec<String> = ["$header_checks"].map(String::from);
    /// What is done about everything else in a message, line by line.
    body_checks: Vec<String> = [];
    /// How many octets of a field are looked at.
    header_size_limit: usize = 102_400_usize;
    /// How many octets of a line are looked at together.
    line_length_limit: usize = 2_048_usize;
    /// How many octets of each part's body are looked at.
    body_checks_size_limit: usize = 51_200_usize;

    /// Who delivers to the users of this machine.
    local_transport: String = "local";
    /// Who delivers to `virtual_mailbox_domains`.
    virtual_transport: String = "virtual";
    /// Who delivers to `relay_domains`.
    relay_transport: String = "relay";
    /// Who delivers to all others.
    default_transport: String = "smtp";
    /// Who delivers to all others, by sender.
    sender_dependent_default_transport_maps: Vec<String> = [];
    /// The next hop of what is not for this machine; empty: the recipient's domain.
    relayhost: String = "";
    /// The same, by sender.
    sender_dependent_relayhost_maps: Vec<String> = [];
    /// Who delivers, by recipient and domain.
    transport_maps: Vec<String> = [];
    /// Recipients who have moved, and where.
    relocated_maps: Vec<String> = [];

    /// Who delivers to domains that this machine is the best mail server of, and does not know; empty: such mail is bounced. This, and
    /// what follows to `smtp_randomize_addresses`, is for whoever sends by [`route`](crate::route).
    best_mx_transport: String = "";
    /// Whether a domain's own addresses are tried where nobody can say who its mail servers are.
    ignore_mx_lookup_error: bool = false;
    /// Which addresses of mail servers that are equally good are tried first: `any`, `ipv4`, `ipv6`.
    smtp_address_preference: AddressPreference = AddressPreference::Any;
    /// Whether, of many addresses, those of one family do not take the place of all those of the other.
    smtp_balance_inet_protocols: bool = true;
    /// Whether mail waits for a domain none of whose mail servers has an address.
    smtp_defer_if_no_mx_address_found: bool = false;
    /// Where mail goes that could not be delivered where it should; next hops.
    smtp_fallback_relay: Vec<String> = [];
    /// How many addresses of a destination are tried at a time; 0: all.
    smtp_mx_address_limit: usize = 5_usize;
    /// With how many servers of a destination MAIL is said at a time; 0: with any number.
    smtp_mx_session_limit: usize = 2_usize;
    /// Whether mail servers that are equally good are tried in random order.
    smtp_randomize_addresses: bool = true;

    /// The users in `mydestination`; empty: all that are asked for.
    local_recipient_maps: Vec<String> = [];
    /// The mailboxes in `virtual_mailbox_domains`; empty: all that are asked for.
    virtual_mailbox_maps: Vec<String> = [];
    /// Aliases, in all domains.
    virtual_alias_maps: Vec<String> = [];
    /// The recipients in `relay_domains`; empty: all that are asked for.
    relay_recipient_maps: Vec<String> = [];
    /// Other names for addresses.
    canonical_maps: Vec<String> = [];
    /// Other names for recipients.
    recipient_canonical_maps: Vec<String> = [];
    /// Other names for senders.
    sender_canonical_maps: Vec<String> = [];
    /// Which logins own a sender's address.
    smtpd_sender_login_maps: Vec<String> = [];
    /// Reply templates for single DNS lists.
    rbl_reply_maps: Vec<String> = [];
    /// The reply template for DNS lists.
    default_rbl_reply: String =
        "$rbl_code Service unavailable; $rbl_class [$rbl_what] blocked using $rbl_domain${rbl_reason?; $rbl_reason}";

    /// What is done when a policy service does not answer: what may stand in an access table.
    smtpd_policy_service_default_action: String = "451 4.3.5 Server configuration problem";
    /// What every policy service is told as `policy_context`.
    smtpd_policy_service_policy_context: String = "";
    /// How long one attempt to ask a policy service may take.
    smtpd_policy_service_timeout: Duration = Duration::from_secs(100);
    /// How often a policy service is tried until it has failed.
    smtpd_policy_service_try_limit: usize = 2_usize;
    /// The pause before a policy service is tried again.
    smtpd_policy_service_retry_delay: Duration = Duration::from_secs(1);
    /// After which a connection to a policy service is closed that is not used.
    smtpd_policy_service_max_idle: Duration = Duration::from_secs(300);
    /// After which a connection to a policy service is closed though it is used.
    smtpd_policy_service_max_ttl: Duration = Duration::from_secs(1000);
    /// How many questions one connection to a policy service is for; 0: any number.
    smtpd_policy_service_request_limit: usize = 0_usize;

    /// What temporary failures do where nothing else is said.
    reject_tempfail_action: Option<TempfailAction> = Some(TempfailAction::DeferIfPermit);
    /// What a temporary failure of `reject_unknown_helo_hostname` does; none: as `reject_tempfail_action`.
    unknown_helo_hostname_tempfail_action: Option<TempfailAction> = None;
    /// What a temporary failure of `reject_unknown_sender_domain` and its like does; none: as `reject_tempfail_action`.
    unknown_address_tempfail_action: Option<TempfailAction> = None;

    /// The certificates of clients that may relay, by the digest of the certificate or of its key.
    relay_clientcerts: Vec<String> = [];
    /// Where the best mail servers of a domain must be, for `permit_mx_backup` to permit it.
    permit_mx_backup_networks: Vec<String> = [];
    /// What a temporary failure of `reject_unverified_sender` does; none: as `reject_tempfail_action`.
    unverified_sender_tempfail_action: Option<TempfailAction> = None;
    /// What a temporary failure of `reject_unverified_recipient` does; none: as `reject_tempfail_action`.
    unverified_recipient_tempfail_action: Option<TempfailAction> = None;
    /// The code for senders to whom mail cannot be sent; 250 takes them all.
    unverified_sender_reject_code: u16 = 450_u16;
    /// The code for senders of whom that is not known yet; 250 takes them all.
    unverified_sender_defer_code: u16 = 450_u16;
    /// The code for recipients to whom mail cannot be sent; 250 takes them all.
    unverified_recipient_reject_code: u16 = 450_u16;
    /// The code for recipients of whom that is not known yet; 250 takes them all.
    unverified_recipient_defer_code: u16 = 450_u16;

    /// The code of REJECT in tables.
    access_map_reject_code: u16 = 554_u16;
    /// The code of DEFER in tables.
    access_map_defer_code: u16 = 450_u16;
    /// The code of `reject`.
    reject_code: u16 = 554_u16;
    /// The code of `defer`.
    defer_code: u16 = 450_u16;
    /// The code of DNS lists.
    maps_rbl_reject_code: u16 = 554_u16;
    /// The code of `reject_unknown_client_hostname`.
    unknown_client_reject_code: u16 = 450_u16;
    /// The code of `reject_invalid_helo_hostname`.
    invalid_hostname_reject_code: u16 = 501_u16;
    /// The code of `reject_non_fqdn_helo_hostname` and its like.
    non_fqdn_reject_code: u16 = 504_u16;
    /// The code of `reject_unknown_helo_hostname`.
    unknown_hostname_reject_code: u16 = 450_u16;
    /// The code of `reject_unknown_sender_domain` and its like.
    unknown_address_reject_code: u16 = 450_u16;
    /// The code of `reject_unauth_destination`.
    relay_domains_reject_code: u16 = 554_u16;
    /// The code of `reject_multi_recipient_bounce`.
    multi_recipient_bounce_reject_code: u16 = 550_u16;
    /// The code of `reject_plaintext_session`.
    plaintext_reject_code: u16 = 450_u16;
    /// The code for users that `local_recipient_maps` has not.
    unknown_local_recipient_reject_code: u16 = 550_u16;
    /// The code for addresses that `virtual_alias_maps` has not.
    unknown_virtual_alias_reject_code: u16 = 550_u16;
    /// The code for mailboxes that `virtual_mailbox_maps` has not.
    unknown_virtual_mailbox_reject_code: u16 = 550_u16;
    /// The code for recipients that `relay_recipient_maps` has not.
    unknown_relay_recipient_reject_code: u16 = 550_u16;
    /// Whether a client must say EHLO or HELO before MAIL. Postfix does not have it so unless it is set; RFC 5321 section 4.1.4 does.
    smtpd_helo_required: bool = true;
    /// What ends a session: first words of lines that are no command, and tables of them; lines that look as if they were of a header do,
    /// too, and so do the methods of HTTP.
    smtpd_forbidden_commands: Vec<String> =
        ["CONNECT", "GET", "POST", "regexp:{{/^[^A-Z]/ Bogus}}"].map(String::from);
    /// Whether VRFY is refused and not offered; otherwise, and where nothing is said, it is answered, and tells nothing of who exists.
    disable_vrfy_command: Option<bool> = None;
    /// Error replies of a session, with no message taken between them, after which each further one is followed by a pause.
    smtpd_soft_error_limit: u32 = 10_u32;
    /// Error replies of a session, with no message taken between them, that end it.
    smtpd_hard_error_limit: u32 = 20_u32;
    /// The pause after an error reply over the soft limit; it grows by itself with each further one.
    smtpd_error_sleep_time: Duration = Duration::from_secs(1);
    /// Commands that bring no mail (NOOP, VRFY, RSET and their like), none taken between them; each further one is an error.
    smtpd_junk_command_limit: u32 = 100_u32;

    /// Connections of one client at a time; 0 is no limit, and with none the application's own limit holds (50 in Postfix).
    smtpd_client_connection_count_limit: Option<u32> = None;
    /// Connections of one client in a time unit; 0 is no limit.
    smtpd_client_connection_rate_limit: u32 = 0_u32;
    /// MAIL commands of one client in a time unit; 0 is no limit.
    smtpd_client_message_rate_limit: u32 = 0_u32;
    /// RCPT commands of one client in a time unit; 0 is no limit.
    smtpd_client_recipient_rate_limit: u32 = 0_u32;
    /// TLS sessions of one client that were not resumed, in a time unit; 0 is no limit.
    smtpd_client_new_tls_session_rate_limit: u32 = 0_u32;
    /// AUTH commands of one client in a time unit; 0 is no limit.
    smtpd_client_auth_rate_limit: u32 = 0_u32;
    /// The clients that are not counted; `$mynetworks` stands for the entries of `mynetworks`.
    smtpd_client_event_limit_exceptions: Vec<String> = ["$mynetworks"].map(String::from);
    /// Bits of an IPv4 address that tell clients from each other.
    smtpd_client_ipv4_prefix_length: PrefixBits<32> = PrefixBits(32);
    /// Bits of an IPv6 address that tell clients from each other.
    smtpd_client_ipv6_prefix_length: PrefixBits<128> = PrefixBits(84);
    /// How long the rates are counted.
    anvil_rate_time_unit: Duration = Duration::from_secs(60);
    /// How often the highest counts since the last time are logged.
    anvil_status_update_time: Duration = Duration::from_secs(600);

    /// Which clients are not tested before their greeting, and which fail at once: `permit_mynetworks`, tables of addresses
    /// with `permit`, `reject` or `dunno`, and these words themselves.
    postscreen_access_list: Vec<String> = ["permit_mynetworks"].map(String::from);
    /// What becomes of clients that `postscreen_access_list` rejects.
    postscreen_denylist_action: EarlyAction = EarlyAction::Ignore;
    /// The addresses of ours where clients can get on the temporary allowlist; a match list.
    postscreen_allowlist_interfaces: Vec<String> = ["static:all"].map(String::from);
    /// The first line that clients see which have to wait for their greeting, without its code; empty: they see none.
    postscreen_greet_banner: String = "$smtpd_banner";
    /// How long clients wait for their greeting while they are tested; 0 tests neither their patience nor DNS lists.
    postscreen_greet_wait: Duration = Duration::from_secs(6);
    /// What becomes of clients that talk before they are greeted.
    postscreen_greet_action: EarlyAction = EarlyAction::Ignore;
    /// How long a client is known to wait for its greeting.
    postscreen_greet_ttl: Duration = Duration::from_secs(DAY_SECONDS);
    /// The DNS lists that are asked about clients: `zone=filter*weight`.
    postscreen_dnsbl_sites: Vec<String> = [];
    /// From this sum of weights on, a client fails.
    postscreen_dnsbl_threshold: i32 = 1_i32;
    /// Down from this sum of weights, a client is let off all tests; 0: none is.
    postscreen_dnsbl_allowlist_threshold: i32 = 0_i32;
    /// What becomes of clients that fail by DNS lists.
    postscreen_dnsbl_action: EarlyAction = EarlyAction::Ignore;
    /// How long DNS lists are believed at least.
    postscreen_dnsbl_min_ttl: Duration = Duration::from_secs(60);
    /// How long DNS lists are believed at most.
    postscreen_dnsbl_max_ttl: Duration = Duration::from_secs(60 * 60);
    /// What clients are told in place of a list's name (it may hold a password): a table.
    postscreen_dnsbl_reply_map: Vec<String> = [];
    /// How many commands a client may say in a session in which it is tested.
    postscreen_command_count_limit: u32 = 20_u32;
    /// How long it may take over each.
    postscreen_command_time_limit: Duration = Duration::from_secs(300);
    /// Whether it is tested that clients wait for the reply to each command.
    postscreen_pipelining_enable: bool = false;
    /// What becomes of clients that do not.
    postscreen_pipelining_action: EarlyAction = EarlyAction::Enforce;
    /// How long a client is known to wait for replies.
    postscreen_pipelining_ttl: Duration = Duration::from_secs(30 * DAY_SECONDS);
    /// Whether it is tested that clients speak SMTP.
    postscreen_non_smtp_command_enable: bool = false;
    /// What becomes of clients that do not.
    postscreen_non_smtp_command_action: EarlyAction = EarlyAction::Drop;
    /// How long a client is known to speak SMTP.
    postscreen_non_smtp_command_ttl: Duration = Duration::from_secs(30 * DAY_SECONDS);
    /// The commands that show that a client does not.
    postscreen_forbidden_commands: Vec<String> = ["CONNECT", "GET", "POST"].map(String::from);
    /// Whether it is tested that clients end their lines with CR LF.
    postscreen_bare_newline_enable: bool = false;
    /// What becomes of clients that do not.
    postscreen_bare_newline_action: EarlyAction = EarlyAction::Ignore;
    /// How long a client is known to end its lines well.
    postscreen_bare_newline_ttl: Duration = Duration::from_secs(30 * DAY_SECONDS);
    /// How often what is known of clients is looked through for what is no longer of use.
    postscreen_cache_cleanup_interval: Duration = Duration::from_secs(12 * 60 * 60);
    /// How long a client that has passed is remembered as one of old when it must be tested again.
    postscreen_cache_retention_time: Duration = Duration::from_secs(7 * DAY_SECONDS);

    /// The milters that are asked about mail, in their order: `inet:host:port` or `unix:path`, or in braces with settings of its own,
    /// `{ inet:host:port, connect_timeout=10s, default_action=accept }`.
    smtpd_milters: Vec<String> = [];
    /// Tables of milters by the client's address, in place of `smtpd_milters`; `DISABLE` is none.
    smtpd_milter_maps: Vec<String> = [];
    /// What becomes of mail when a milter is not there or fails: `tempfail`, `accept`, `reject` or `quarantine`.
    milter_default_action: String = "tempfail";
    /// The highest version of their protocol that milters are spoken to in: 2, 3, 4 or 6; with `no_header_reply` behind it, those
    /// that do not say so themselves answer no header fields.
    milter_protocol: String = "6";
    /// How long connecting to a milter may take.
    milter_connect_timeout: Duration = Duration::from_secs(30);
    /// How long a milter may think about a command.
    milter_command_timeout: Duration = Duration::from_secs(30);
    /// How long a milter may think about content.
    milter_content_timeout: Duration = Duration::from_secs(300);
    /// The macros that go with a connection.
    milter_connect_macros: String = "j {daemon_name} {daemon_addr} v _";
    /// The macros that go with HELO.
    milter_helo_macros: String = "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}";
    /// The macros that go with MAIL.
    milter_mail_macros: String = "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}";
    /// The macros that go with RCPT.
    milter_rcpt_macros: String = "i {rcpt_addr} {rcpt_host} {rcpt_mailer}";
    /// The macros that go with DATA.
    milter_data_macros: String = "i";
    /// The macros that go with header fields and their end.
    milter_end_of_header_macros: String = "i";
    /// The macros that go with the body and the end of the message.
    milter_end_of_data_macros: String = "i";
    /// What `{daemon_name}` is; empty: `myhostname`.
    milter_macro_daemon_name: String = "";
    /// What `v` is; empty: this software's name and version.
    milter_macro_v: String = "";
    /// What macros are about which nothing is known: `name=value` or `{name}=value`, in braces where there is a blank in it.
    milter_macro_defaults: Vec<String> = [];
}
