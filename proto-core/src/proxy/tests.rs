//! S43: headers as proxies send them, at every split, and what must be refused.

use super::*;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

const BEHIND: &[u8] = b"\x16\x03\x01EHLO";

/// A header of version 2.
fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    header.extend(body);
    header
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut tlv = vec![kind];
    tlv.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
    tlv.extend(value);
    tlv
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// 192.0.2.1:56324 to 198.51.100.2:25.
const INET: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0, 25];

fn tcp(source: &str, destination: &str) -> ProxyHeader {
    ProxyHeader::Tcp { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

fn inet() -> ProxyHeader {
    tcp("192.0.2.1:56324", "198.51.100.2:25")
}

/// What is said of the octets, and how many were taken: the same for all splits (some hundred of a long header's), or
/// it panics.
fn parse(octets: &[u8]) -> (usize, Option<Result<ProxyHeader, ProxyFault>>) {
    let whole = ProxyParser::new().parse(octets);
    for cut in (0..=octets.len()).step_by(1 + octets.len() / 300) {
        let mut parser = ProxyParser::new();
        let (first, early) = parser.parse(&octets[..cut]);
        let (second, said) = parser.parse(&octets[first..]);
        assert_eq!((first + second, said), whole, "cut at {cut}");
        assert!(first == cut || early.is_some(), "octets of the header are left at {cut}");
    }
    let mut parser = ProxyParser::new();
    let taken = octets.iter().map(|octet| parser.parse(&[*octet]).0).sum::<usize>();
    assert_eq!((taken, parser.parse(b"").1), whole, "octet by octet");
    whole
}

/// Takes as many octets as the parser says are still to come, and no more.
fn by_demand(octets: &[u8]) -> (usize, Option<Result<ProxyHeader, ProxyFault>>) {
    let (mut parser, mut at) = (ProxyParser::new(), 0);
    while parser.octets_wanted() > 0 {
        let Some(next) = octets.get(at..at + parser.octets_wanted()) else { return (at, None) };
        let (taken, said) = parser.parse(next);
        assert!(taken == next.len() || said.is_some_and(|said| said.is_err()), "read beyond the header");
        at += taken;
    }
    (at, parser.parse(b"").1)
}

fn accepted(header: &[u8], expected: ProxyHeader) {
    let octets = join(&[header, BEHIND]);
    assert_eq!(parse(&octets), (header.len(), Some(Ok(expected))), "{}", header.escape_ascii());
    assert_eq!(by_demand(&octets), (header.len(), Some(Ok(expected))), "{}", header.escape_ascii());
    for end in 0..header.len() {
        assert_eq!(
            ProxyParser::new().parse(&header[..end]),
            (end, None),
            "cut short at {end}: {}",
            header.escape_ascii()
        );
    }
}

fn refused(octets: &[u8], fault: ProxyFault) {
    let (taken, said) = parse(octets);
    assert_eq!(said, Some(Err(fault)), "{}", octets.escape_ascii());
    assert!(taken <= octets.len());
    assert_eq!(by_demand(&join(&[octets, &[b' '; 200]])).1, said, "{}", octets.escape_ascii());
}

#[test]
fn s43_version_1() {
    accepted(b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n", inet());
    accepted(b"PROXY TCP4 1.1.1.1 1.1.1.1 0 0\r\n", tcp("1.1.1.1:0", "1.1.1.1:0"));
    accepted(
        b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
        tcp("255.255.255.255:65535", "255.255.255.255:65535"),
    );
    accepted(b"PROXY TCP6 2001:DB8::1 ::1 1024 993\r\n", tcp("[2001:db8::1]:1024", "[::1]:993"));
    accepted(b"PROXY TCP6 :: :: 1 1\r\n", tcp("[::]:1", "[::]:1"));
    let widest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    accepted(
        format!("PROXY TCP6 {widest} {widest} 65535 65535\r\n").as_bytes(),
        tcp(&format!("[{widest}]:65535"), &format!("[{widest}]:65535")),
    );
    accepted(b"PROXY UNKNOWN\r\n", ProxyHeader::Unknown);
    accepted(b"PROXY UNKNOWN \r\n", ProxyHeader::Unknown);
    accepted(b"PROXY UNKNOWN \xff\0 anything\r\n", ProxyHeader::Unknown);
    let worst = format!("PROXY UNKNOWN {widest} {widest} 65535 65535\r\n");
    assert_eq!(worst.len(), LINE_OCTETS_MAX);
    accepted(worst.as_bytes(), ProxyHeader::Unknown);
}

#[test]
fn what_is_no_line_of_version_1_is_refused() {
    use ProxyFault::{LineTooLong, MalformedLine, NoHeader};
    for line in [
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r \n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25 26\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.2 56324 25\r\n",
        "PROXY TCP4 192.0.2.1\t198.51.100.2 56324 25\r\n",
        "PROXY TCP4 192.0.2.01 198.51.100.2 56324 25\r\n",
        "PROXY TCP4 192.0.2.256 198.51.100.2 56324 25\r\n",
        "PROXY TCP4 192.0.2 198.51.100.2 56324 25\r\n",
        "PROXY TCP4 2001:db8::1 ::1 56324 25\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 65536 25\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 056324 25\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 +5632 25\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 -1 25\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 \u{664}\u{665} 25\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2  \r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.2 56324 25\r\n",
        "PROXY TCP6 [::1] ::1 56324 25\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 56324 25\r\n",
        "PROXY tcp4 192.0.2.1 198.51.100.2 56324 25\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.2 56324 25\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY UNKNOWN a\rb\r\n",
        "PROXY UNKNOWN a\nb\r\n",
        "PROXY UNKNOWN \r\r\n",
        "PROXY \r\n",
    ] {
        refused(line.as_bytes(), MalformedLine);
    }
    refused(b"PROXY TCP4 \xff.0.2.1 198.51.100.2 56324 25\r\n", MalformedLine);
    refused(b"proxy TCP4 192.0.2.1 198.51.100.2 56324 25\r\n", NoHeader);
    refused(b"PROXYTCP4\r\n", NoHeader);
    refused(b"PROXY\r\n", NoHeader);
    refused(b"EHLO client.example\r\n", NoHeader);
    refused(b"\x16\x03\x01", NoHeader);
    let long = join(&[b"PROXY UNKNOWN ", &[b'x'; 200]]);
    refused(&long, LineTooLong);
    assert_eq!(ProxyParser::new().parse(&long).0, LINE_OCTETS_MAX);
    assert_eq!(ProxyParser::new().parse(b"EHLO").0, 1, "the first octet tells");
}

#[test]
fn s43_version_2_with_and_without_tlvs() {
    accepted(&v2(0x21, 0x11, &INET), inet());
    let tlvs =
        join(&[&tlv(0x01, b"smtp"), &tlv(0x02, b"mail.example.test"), &tlv(0x04, b""), &tlv(0xe0, b"x")]);
    accepted(&v2(0x21, 0x11, &join(&[&INET, &tlvs])), inet());
    let mut inet6 = [0; 36];
    inet6[..16].copy_from_slice(&"2001:db8::1".parse::<core::net::Ipv6Addr>().unwrap().octets());
    inet6[31] = 1;
    inet6[32..].copy_from_slice(&[4, 0, 3, 0xe1]);
    accepted(&v2(0x21, 0x21, &inet6), tcp("[2001:db8::1]:1024", "[::1]:993"));
    accepted(&v2(0x21, 0x21, &join(&[&inet6, &tlvs])), tcp("[2001:db8::1]:1024", "[::1]:993"));

    // Valid, and without an address that a TCP service could use.
    accepted(&v2(0x21, 0x12, &INET), ProxyHeader::Unknown);
    accepted(&v2(0x21, 0x22, &join(&[&inet6, &tlvs])), ProxyHeader::Unknown);
    accepted(&v2(0x21, 0x31, &[7; 216]), ProxyHeader::Unknown);
    accepted(&v2(0x21, 0x32, &join(&[&[7; 216], &tlvs])), ProxyHeader::Unknown);
    accepted(&v2(0x21, 0x00, b""), ProxyHeader::Unknown);
    accepted(&v2(0x21, 0x00, b"whatever"), ProxyHeader::Unknown);
    accepted(&v2(0x21, 0x10, b"whatever"), ProxyHeader::Unknown);
    accepted(&v2(0x20, 0x00, b""), ProxyHeader::Local);
    accepted(&v2(0x20, 0x00, b"whatever"), ProxyHeader::Local);
    accepted(&v2(0x20, 0x11, b"short"), ProxyHeader::Local);
}

#[test]
fn what_is_no_header_of_version_2_is_refused() {
    use ProxyFault::{Malformed, NoHeader, TooLong};
    refused(&v2(0x11, 0x11, &INET), Malformed);
    refused(&v2(0x31, 0x11, &INET), Malformed);
    refused(&v2(0x22, 0x11, &INET), Malformed);
    refused(&v2(0x21, 0x41, &INET), Malformed);
    refused(&v2(0x21, 0x13, &INET), Malformed);
    refused(&v2(0x20, 0xff, b""), Malformed);
    refused(&v2(0x21, 0x11, &INET[..11]), Malformed);
    refused(&v2(0x21, 0x11, b""), Malformed);
    refused(&v2(0x21, 0x21, &[0; 35]), Malformed);
    refused(&v2(0x21, 0x31, &[0; 215]), Malformed);
    refused(b"\r\nQUIT\r\n", NoHeader);
    refused(b"\r\n\r\n\0\r\nQUIT\r", NoHeader);

    // TLVs that end behind the header, or in their own head.
    refused(&v2(0x21, 0x11, &join(&[&INET, &[4, 0, 2, 0]])), Malformed);
    refused(&v2(0x21, 0x11, &join(&[&INET, &[4, 0]])), Malformed);
    refused(&v2(0x21, 0x11, &join(&[&INET, &[4]])), Malformed);
    refused(&v2(0x21, 0x11, &join(&[&INET, &[4, 0xff, 0xff]])), Malformed);

    let body = |octets: usize| join(&[&INET, &tlv(4, &vec![0; octets - INET.len() - 3])]);
    let longest = v2(0x21, 0x11, &body(HEADER_OCTETS_MAX - 16));
    assert_eq!(longest.len(), HEADER_OCTETS_MAX);
    assert_eq!(parse(&longest), (HEADER_OCTETS_MAX, Some(Ok(inet()))));
    let longer = v2(0x21, 0x11, &body(HEADER_OCTETS_MAX - 15));
    refused(&longer, TooLong);
    assert_eq!(ProxyParser::new().parse(&longer).0, 16, "its length tells");
    refused(&v2(0x20, 0x00, &[0; 0xffff]), TooLong);
}

#[test]
fn a_checksum_is_verified_where_there_is_one() {
    // As a load balancer of a large cloud sends it: 172.31.7.113:51442 to 172.31.10.31:80.
    let inet = [172, 31, 7, 113, 172, 31, 10, 31, 0xc8, 0xf2, 0, 80];
    let rest = join(&[&tlv(0xea, b"\x01vpce-08d2bf15fac5001c9"), &tlv(4, &[0; 36])]);
    let with = |checksum: &[u8]| v2(0x21, 0x11, &join(&[&inet, &tlv(3, checksum), &rest]));
    accepted(&with(&[0xe8, 0xd6, 0x89, 0x2d]), tcp("172.31.7.113:51442", "172.31.10.31:80"));
    refused(&with(&[0xe8, 0xd6, 0x89, 0x2c]), ProxyFault::Checksum);
    refused(&with(&[0; 4]), ProxyFault::Checksum);
    refused(&with(&[0xe8, 0xd6, 0x89]), ProxyFault::Malformed);
    refused(&with(&[]), ProxyFault::Malformed);
    let twice = join(&[&tlv(3, &[0xe8, 0xd6, 0x89, 0x2d]), &tlv(3, &[0xe8, 0xd6, 0x89, 0x2d])]);
    refused(&v2(0x21, 0x11, &join(&[&inet, &twice])), ProxyFault::Malformed);
}
