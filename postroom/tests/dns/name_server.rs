//! A name server on loopback that answers as a test wants it to.

use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, CNAME, SOA};
use hickory_resolver::proto::rr::{Name, RData, Record};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::{AbortHandle, JoinSet};

/// What a name server does with a question.
pub(crate) enum Reply {
    Message(Message),
    Messages(Vec<Message>),
    Octets(Vec<u8>),
    Nothing,
}

impl Reply {
    fn datagrams(self) -> Vec<Vec<u8>> {
        match self {
            Self::Message(message) => vec![message.to_vec().unwrap()],
            Self::Messages(messages) => messages.iter().map(|message| message.to_vec().unwrap()).collect(),
            Self::Octets(octets) => vec![octets],
            Self::Nothing => Vec::new(),
        }
    }
}

/// A server, by UDP and TCP on one port, until it is dropped.
pub(crate) struct NameServer {
    address: SocketAddr,
    questions: Arc<Mutex<Vec<String>>>,
    tasks: JoinSet<()>,
}

impl NameServer {
    /// Starts it; `answer` is told the question, and whether it came over TCP.
    pub(crate) async fn start(answer: impl Fn(&Message, bool) -> Reply + Send + Sync + 'static) -> Self {
        // The system gives a port for UDP that somebody may have for TCP.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let questions = Arc::new(Mutex::new(Vec::new()));
        let reply = {
            let questions = Arc::clone(&questions);
            Arc::new(move |octets: &[u8], is_tcp: bool| {
                let question = Message::from_vec(octets).unwrap();
                let query = &question.queries[0];
                questions.lock().unwrap().push(format!("{} {}", query.name(), query.query_type()));
                answer(&question, is_tcp).datagrams()
            })
        };
        let mut tasks = JoinSet::new();
        let _: AbortHandle = tasks.spawn({
            let reply = Arc::clone(&reply);
            async move {
                let mut octets = [0; 4096];
                while let Ok((length, from)) = udp.recv_from(&mut octets).await {
                    for datagram in reply(&octets[..length], false) {
                        udp.send_to(&datagram, from).await.unwrap();
                    }
                }
            }
        });
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                while let Ok(length) = stream.read_u16().await {
                    let mut octets = vec![0; length.into()];
                    stream.read_exact(&mut octets).await.unwrap();
                    for message in reply(&octets, true) {
                        stream.write_u16(message.len().try_into().unwrap()).await.unwrap();
                        stream.write_all(&message).await.unwrap();
                    }
                }
            }
        });
        Self { address, questions, tasks }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was asked, as `name. KIND`.
    pub(crate) fn questions(&self) -> Vec<String> {
        self.questions.lock().unwrap().clone()
    }

    /// Stops it, and tells where it was.
    pub(crate) async fn stop(mut self) -> SocketAddr {
        self.tasks.shutdown().await;
        self.address
    }
}

/// A response without records.
pub(crate) fn response(question: &Message) -> Message {
    let mut message = Message::response(question.metadata.id, OpCode::Query);
    message.metadata.message_type = MessageType::Response;
    message.metadata.recursion_available = true;
    message.queries.clone_from(&question.queries);
    message
}

pub(crate) fn answer(question: &Message, records: impl IntoIterator<Item = Record>) -> Message {
    let mut message = response(question);
    message.answers.extend(records);
    message
}

/// A response that says no; with a SOA record of which the least counts, if there is one.
pub(crate) fn negative(question: &Message, code: ResponseCode, soa: Option<u32>) -> Message {
    let mut message = response(question);
    message.metadata.response_code = code;
    let zone = Name::from_ascii("test.").unwrap();
    let soa = soa.map(|minimum| SOA::new(zone.clone(), zone.clone(), 1, 3600, 600, 86400, minimum));
    message.authorities.extend(soa.map(|soa| record(&zone, 10_000, RData::SOA(soa))));
    message
}

pub(crate) fn record(owner: &Name, ttl: u32, data: RData) -> Record {
    Record::from_rdata(owner.clone(), ttl, data)
}

/// An address record of 192.0.2.`last`.
pub(crate) fn a(owner: &str, ttl: u32, last: u8) -> Record {
    record(&Name::from_ascii(owner).unwrap(), ttl, RData::A(A::new(192, 0, 2, last)))
}

pub(crate) fn cname(owner: &str, ttl: u32, target: &str) -> Record {
    record(&Name::from_ascii(owner).unwrap(), ttl, RData::CNAME(CNAME(Name::from_ascii(target).unwrap())))
}
