//! What a finished TLS handshake tells a machine.

use alloc::string::String;
use alloc::vec::Vec;

/// The facts of a TLS session that mail protocols and policy use. All of it is handed in by the driver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The protocol version as it is written in trace fields and logs, as `TLSv1.3`.
    pub version: String,
    /// The cipher suite's IANA name, as `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The host name the client asked for (SNI, RFC 6066 section 3).
    pub server_name: Option<String>,
    /// The `tls-exporter` channel binding (RFC 9266), 32 octets.
    pub exporter: Option<Vec<u8>>,
    /// The `tls-server-end-point` channel binding (RFC 5929 section 4): a hash of our certificate.
    pub server_end_point: Option<Vec<u8>>,
    /// Whether it goes on with an earlier session, whose keys it did not have to agree on anew.
    pub is_resumed: bool,
    /// The peer's end-entity certificate in DER, when it showed one that the driver has verified.
    pub peer_certificate: Option<Vec<u8>>,
}
