//! Policy services are asked, kept connected to, and not believed when they say what they should not.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use postroom::policy_service::{CONNECTIONS_MAX, PolicyServiceError, PolicyServices};
use relay_policy::delegation::{Attributes, DelegationError, Reader, ServiceLimits, question};
use relay_policy::{Parameters, PolicyService};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::Notify;

const MS: Duration = Duration::from_millis(1);

/// A service in a directory of its own; each connection is served by `serve`, which is told how many came before.
struct Service {
    directory: tempfile::TempDir,
    connections: Arc<AtomicUsize>,
    limits: ServiceLimits,
    services: PolicyServices,
}

impl Service {
    fn start<F: Future<Output = ()> + Send>(
        serve: impl Fn(Talk<UnixStream>, usize) -> F + Clone + Send + 'static,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("policy")).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serve, number) = (serve.clone(), counted.fetch_add(1, Ordering::SeqCst));
                tokio::spawn(async move { serve(Talk::new(stream), number).await });
            }
        });
        let limits = ServiceLimits::new(&Parameters::default(), &named("unix:policy"));
        let services = PolicyServices::new(directory.path());
        Self { directory, connections, limits, services }
    }

    async fn ask(&self, recipient: &str) -> Result<String, PolicyServiceError> {
        self.services.ask(&named("unix:policy"), &self.limits, &asked(recipient)).await
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn named(server: &str) -> PolicyService {
    PolicyService { server: server.into(), options: Vec::new() }
}

fn asked(recipient: &str) -> Attributes {
    let mut attributes = question();
    attributes.set("recipient", recipient).unwrap();
    attributes
}

/// The service's end of a connection.
struct Talk<S> {
    stream: S,
    reader: Reader,
    rest: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn new(stream: S) -> Self {
        Self { stream, reader: Reader::new(), rest: Vec::new() }
    }

    /// The recipient of the next question; none when the connection was closed.
    async fn question(&mut self) -> Option<String> {
        loop {
            let (taken, question) = self.reader.read(&self.rest).unwrap();
            self.rest.drain(..taken);
            if let Some(question) = question {
                return Some(question.value("recipient").to_string());
            }
            let mut octets = [0; 512];
            match self.stream.read(&mut octets).await {
                Ok(length) if length > 0 => self.rest.extend_from_slice(&octets[..length]),
                _ => return None,
            }
        }
    }

    async fn say(&mut self, text: &str) {
        // Who has hung up does not hear it.
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    /// Answers every question with its recipient.
    async fn echo(mut self) {
        while let Some(recipient) = self.question().await {
            self.say(&format!("action=REJECT {recipient}\n\n")).await;
        }
    }
}

#[tokio::test]
async fn one_connection_carries_many_questions() {
    let service = Service::start(|talk, _| talk.echo());
    for number in 0..5 {
        assert_eq!(service.ask(&number.to_string()).await.unwrap(), format!("REJECT {number}"));
    }
    assert_eq!(service.connections(), 1);
}

#[tokio::test]
async fn connections_are_used_as_long_as_may_be() {
    for (limit, connections) in [
        (|limits: &mut ServiceLimits| limits.requests_max = 2, 3),
        (|limits: &mut ServiceLimits| limits.age_max = Duration::ZERO, 5),
        (|limits: &mut ServiceLimits| limits.idle_max = Duration::ZERO, 5),
        (|limits: &mut ServiceLimits| (limits.idle_max, limits.age_max) = (Duration::MAX, Duration::MAX), 1),
    ] as [(fn(&mut ServiceLimits), usize); 4]
    {
        let mut service = Service::start(|talk, _| talk.echo());
        limit(&mut service.limits);
        for _ in 0..5 {
            service.ask("x").await.unwrap();
        }
        assert_eq!(service.connections(), connections);
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_though_nobody_asks() {
    let closed = Arc::new(Notify::new());
    let told = Arc::clone(&closed);
    let mut service = Service::start(move |talk, _| {
        let told = Arc::clone(&told);
        async move {
            talk.echo().await;
            told.notify_one();
        }
    });
    service.limits.idle_max = 20 * MS;
    service.ask("x").await.unwrap();
    closed.notified().await;
    service.ask("x").await.unwrap();
    closed.notified().await;
    assert_eq!(service.connections(), 2);
}

#[tokio::test]
async fn a_service_that_was_started_anew_costs_no_attempt() {
    let mut service = Service::start(|mut talk, _| async move {
        talk.question().await;
        talk.say("action=DUNNO\n\n").await;
    });
    service.limits.tries_max = 1;
    for asked in 1..=5 {
        assert_eq!(service.ask("x").await.unwrap(), "DUNNO");
        assert_eq!(service.connections(), asked);
    }
}

/// D006 and D007: who hangs up and who is silent.
#[tokio::test]
async fn it_is_tried_again_as_often_as_may_be() {
    let serve = |mut talk: Talk<UnixStream>, number: usize| async move {
        talk.question().await;
        if number % 3 == 2 {
            talk.echo().await;
        }
    };
    // Two of three hang up on the question; the third waits for another one and is given none in time.
    let mut service = Service::start(serve);
    (service.limits.tries_max, service.limits.retry_delay) = (2, MS);
    assert!(matches!(service.ask("x").await, Err(PolicyServiceError::Closed)));
    assert_eq!(service.connections(), 2);
    service.limits.timeout = 50 * MS;
    service.limits.tries_max = 1;
    assert!(matches!(service.ask("x").await, Err(PolicyServiceError::Timeout)));
    let mut answers = Service::start(|talk, number| async move {
        if number == 2 {
            talk.echo().await;
        }
    });
    (answers.limits.tries_max, answers.limits.retry_delay) = (3, MS);
    assert_eq!(answers.ask("x").await.unwrap(), "REJECT x");
}

/// D008: an answer without `action=`, and others.
#[tokio::test]
async fn what_is_no_answer_is_not_believed() {
    let serve = |mut talk: Talk<UnixStream>, _| async move {
        while let Some(recipient) = talk.question().await {
            match &*recipient {
                "garbage" => talk.say("220 mail.example.test ESMTP\r\n").await,
                "silent" => talk.say("result=OK\n\n").await,
                "empty" => talk.say("\n").await,
                "twice" => talk.say("action=DUNNO\naction=OK\n\n").await,
                "binary" => talk.stream.write_all(b"action=\xff\n\n").await.unwrap(),
                "half" => {
                    talk.say("action=O").await;
                    return;
                }
                _ => while talk.stream.write_all(&[b'x'; 4096]).await.is_ok() {},
            }
        }
    };
    let mut service = Service::start(serve);
    service.limits.tries_max = 1;
    let fault = async |recipient| match service.ask(recipient).await {
        Err(PolicyServiceError::Answer(fault)) => Some(fault),
        Err(PolicyServiceError::Closed) => None,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault("garbage").await, Some(DelegationError::NoAttribute));
    assert_eq!(fault("silent").await, Some(DelegationError::NoAction));
    assert_eq!(fault("empty").await, Some(DelegationError::NoAction));
    assert_eq!(fault("twice").await, Some(DelegationError::Twice("action".into())));
    assert_eq!(fault("binary").await, Some(DelegationError::BadText));
    assert_eq!(fault("endless").await, Some(DelegationError::TooLarge));
    assert_eq!(fault("half").await, None);
    assert_eq!(service.connections(), 7, "none of them is used again");
}

#[tokio::test]
async fn an_answer_to_a_question_that_was_not_asked_is_no_answer_to_the_next() {
    // At once with the first one.
    let service = Service::start(|mut talk, _| async move {
        while let Some(recipient) = talk.question().await {
            talk.say(&format!("action=REJECT {recipient}\n\naction=OK\n\n")).await;
        }
    });
    for recipient in ["a", "b"] {
        assert_eq!(service.ask(recipient).await.unwrap(), format!("REJECT {recipient}"));
    }
    assert_eq!(service.connections(), 2);

    // And later, while the connection is idle.
    let said = Arc::new(Notify::new());
    let go = Arc::new(Notify::new());
    let (told, gone) = (Arc::clone(&said), Arc::clone(&go));
    let service = Service::start(move |mut talk, _| {
        let (told, gone) = (Arc::clone(&told), Arc::clone(&gone));
        async move {
            while let Some(recipient) = talk.question().await {
                talk.say(&format!("action=REJECT {recipient}\n\n")).await;
                gone.notified().await;
                talk.say("action=OK\n\n").await;
                told.notify_one();
            }
        }
    });
    assert_eq!(service.ask("a").await.unwrap(), "REJECT a");
    go.notify_one();
    said.notified().await;
    // The reactor has to look at the socket once; the octets are in it.
    tokio::time::sleep(MS).await;
    assert_eq!(service.ask("b").await.unwrap(), "REJECT b");
    assert_eq!(service.connections(), 2);
}

#[tokio::test]
async fn no_more_questions_at_a_time_than_may_be() {
    let open = Arc::new(AtomicUsize::new(0));
    let all = Arc::new(Notify::new());
    let (counted, gate) = (Arc::clone(&open), Arc::clone(&all));
    let service = Arc::new(Service::start(move |mut talk, _| {
        let (counted, gate) = (Arc::clone(&counted), Arc::clone(&gate));
        async move {
            while let Some(recipient) = talk.question().await {
                if counted.fetch_add(1, Ordering::SeqCst) + 1 == CONNECTIONS_MAX {
                    gate.notify_one();
                }
                // So that others come meanwhile.
                if recipient == "first" {
                    tokio::time::sleep(20 * MS).await;
                }
                talk.say("action=DUNNO\n\n").await;
            }
        }
    }));
    let askers: Vec<_> = (0..3 * CONNECTIONS_MAX)
        .map(|_| {
            let service = Arc::clone(&service);
            tokio::spawn(async move { service.ask("first").await.unwrap() })
        })
        .collect();
    all.notified().await;
    for asker in askers {
        assert_eq!(asker.await.unwrap(), "DUNNO");
    }
    assert!(service.connections() <= CONNECTIONS_MAX, "{}", service.connections());
    assert_eq!(open.load(Ordering::SeqCst), 3 * CONNECTIONS_MAX);
}

#[tokio::test]
async fn services_over_tcp_and_services_that_are_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(Talk::new(stream).echo());
        }
    });
    let services = PolicyServices::new("/nonexistent");
    let mut limits = ServiceLimits::new(&Parameters::default(), &named(""));
    (limits.tries_max, limits.retry_delay) = (2, MS);
    let ask = async |server: &str| services.ask(&named(server), &limits, &asked("bob")).await;
    assert_eq!(ask(&format!("inet:{address}")).await.unwrap(), "REJECT bob");
    assert!(matches!(ask("unix:policy").await, Err(PolicyServiceError::Io(_))));
    for wrong in ["policy", "tcp:127.0.0.1:1", "inet:127.0.0.1:policy"] {
        assert!(matches!(ask(wrong).await, Err(PolicyServiceError::BadServer(_))), "{wrong}");
    }
}

#[tokio::test]
async fn an_absolute_path_is_where_it_says() {
    let service = Service::start(|talk, _| talk.echo());
    let path = service.directory.path().join("policy");
    let services = PolicyServices::new(Path::new("/nonexistent"));
    let server = named(&format!("unix:{}", path.display()));
    assert_eq!(services.ask(&server, &service.limits, &asked("bob")).await.unwrap(), "REJECT bob");
}
