//! `local_header_rewrite_clients`: whose headers are ours to rewrite.

use crate::address::{Domains, RoutingError, open_maps};
use crate::match_list::MatchList;
use crate::parameters::Parameters;
use crate::request::Request;
use crate::table::{Answers, Key, LookupError, Maps, Opener, Warning};
use crate::words::is_table;

/// The parameter.
const PARAMETER: &str = "local_header_rewrite_clients";

/// The list; whoever one of its entries has is in it.
#[derive(Debug, Clone)]
pub(super) struct LocalClients {
    entries: Vec<Entry>,
    mynetworks: MatchList,
    relay_clientcerts: Maps,
}

#[derive(Debug, Clone)]
enum Entry {
    /// `permit_inet_interfaces`: programs of this machine.
    InetInterfaces,
    Mynetworks,
    SaslAuthenticated,
    TlsClientcerts,
    TlsAllClientcerts,
    /// `check_address_map type:table`, or the table alone: what stands beside the client's address does not matter.
    AddressMap(Maps),
}

impl LocalClients {
    pub(super) fn from_parameters(
        parameters: &Parameters,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, RoutingError> {
        let p = parameters;
        let mut entries = Vec::new();
        let mut words = p.local_header_rewrite_clients.iter();
        while let Some(word) = words.next() {
            entries.push(match &*word.to_ascii_lowercase() {
                "permit_inet_interfaces" => Entry::InetInterfaces,
                "permit_mynetworks" => Entry::Mynetworks,
                "permit_sasl_authenticated" => Entry::SaslAuthenticated,
                "permit_tls_clientcerts" => Entry::TlsClientcerts,
                "permit_tls_all_clientcerts" => Entry::TlsAllClientcerts,
                name => {
                    let table = if name == "check_address_map" { words.next() } else { Some(word) };
                    let Some(table) = table.filter(|table| is_table(table)) else {
                        let expected = "permit_inet_interfaces, permit_mynetworks, permit_sasl_authenticated, \
                             permit_tls_clientcerts, permit_tls_all_clientcerts or check_address_map type:table";
                        return Err(RoutingError::Word { parameter: PARAMETER, word: word.clone(), expected });
                    };
                    Entry::AddressMap(open_maps(PARAMETER, std::slice::from_ref(table), opener, warnings)?)
                }
            });
        }
        // What is wrong in these lists is told by those who use them to let somebody in.
        let mynetworks =
            MatchList::parse(&p.mynetworks.join(" "), p.parents_match("mynetworks"), opener).list;
        let relay_clientcerts =
            open_maps("relay_clientcerts", &p.relay_clientcerts, opener, &mut Vec::new())?;
        Ok(Self { entries, mynetworks, relay_clientcerts })
    }

    /// Whether a client is in the list.
    pub(super) fn has(
        &self,
        request: &Request,
        domains: &Domains,
        answers: &Answers,
    ) -> Result<bool, LookupError> {
        let address = request.client.to_canonical();
        for entry in &self.entries {
            let is_in = match entry {
                Entry::InetInterfaces => domains.interfaces.contains(&address),
                Entry::Mynetworks => {
                    self.mynetworks.matches_host(&request.client_name, address, answers)?.is_some()
                }
                Entry::SaslAuthenticated => request.login.is_some(),
                Entry::TlsClientcerts => self.has_certificate(request, answers)?,
                Entry::TlsAllClientcerts => {
                    request.client_certificate.as_ref().is_some_and(|certificate| certificate.is_verified)
                }
                Entry::AddressMap(maps) => maps.look_up(Key::Whole(&address.to_string()), answers)?.is_some(),
            };
            if is_in {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn has_certificate(&self, request: &Request, answers: &Answers) -> Result<bool, LookupError> {
        let Some(certificate) = &request.client_certificate else { return Ok(false) };
        for key in [&certificate.fingerprint, &certificate.public_key_fingerprint] {
            if self.relay_clientcerts.look_up(Key::Whole(key), answers)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::ClientCertificate;

    fn clients(value: &str) -> Result<LocalClients, String> {
        let mut parameters = Parameters::default();
        for (name, value) in
            [(PARAMETER, value), ("mynetworks", "192.0.2.0/24"), ("relay_clientcerts", "inline:{AA:01=ours}")]
        {
            parameters.set(name, value).unwrap();
        }
        let no_files = |_: &str| Err("no files".into());
        LocalClients::from_parameters(&parameters, &Opener::new(&no_files), &mut Vec::new())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_entry_has_its_clients() {
        let domains = Domains { interfaces: vec!["127.0.0.1".parse().unwrap()], ..Domains::default() };
        let [stranger, mut local, mut inside, mut listed, mut user, mut shown, mut known] =
            std::array::from_fn(|_| Request::new("203.0.113.9".parse().unwrap()));
        local.client = "::ffff:127.0.0.1".parse().unwrap();
        inside.client = "192.0.2.7".parse().unwrap();
        listed.client = "198.51.100.1".parse().unwrap();
        user.login = Some("ann".into());
        shown.client_certificate =
            Some(ClientCertificate { is_verified: true, ..ClientCertificate::default() });
        let of_ours =
            ClientCertificate { public_key_fingerprint: "AA:01".into(), ..ClientCertificate::default() };
        known.client_certificate = Some(of_ours);
        for (entry, client) in [
            ("permit_inet_interfaces", &local),
            ("permit_mynetworks", &inside),
            ("permit_sasl_authenticated", &user),
            ("permit_tls_clientcerts", &known),
            ("PERMIT_TLS_ALL_CLIENTCERTS", &shown),
            ("check_address_map cidr:{{198.51.100.0/24 OK}}", &listed),
            ("cidr:{{198.51.100.0/24 REJECT}}", &listed),
        ] {
            let clients = clients(entry).unwrap();
            let has = |request| clients.has(request, &domains, &Answers::default()).unwrap();
            assert!(has(client), "{entry}");
            assert!(!has(&stranger), "{entry}");
        }
        assert!(!clients("").unwrap().has(&local, &domains, &Answers::default()).unwrap());
    }

    #[test]
    fn what_is_none_of_them_is_named() {
        for wrong in ["permit_mx_backup", "check_address_map", "check_address_map permit_mynetworks"] {
            let error = clients(wrong).unwrap_err();
            assert!(error.starts_with("local_header_rewrite_clients: "), "{error}");
            assert!(error.contains("expected") || error.contains("permit_inet_interfaces"), "{error}");
        }
        assert_eq!(
            clients("regexp:/none").unwrap_err(),
            "local_header_rewrite_clients: regexp:/none: no files"
        );
    }
}
