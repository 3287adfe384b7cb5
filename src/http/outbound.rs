//! Requests that go out: webhooks, over HTTP/1.1, to public addresses only unless the operator lists others.
//!
//! A name is resolved once, every answer is checked, and the connection goes to what was checked: a name that points
//! inside, now or a moment later, reaches nothing (server-side request forgery, DNS rebinding).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Uri, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use crate::service::{Answer, Deliver, Post};

/// How long one attempt may take, from the name to the status.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of an answer that somebody reads.
const MAX_ANSWER: usize = 8 << 20;

/// A network: addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A request without credentials: POST with a body, GET without.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a> {
    /// `http://` or `https://`.
    pub url: &'a str,
    /// Media type of the body.
    pub media: &'static str,
    /// The body.
    pub body: Option<&'a [u8]>,
}

/// Text that is not an address or a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address such as 10.1.2.3 or a network such as 10.0.0.0/8")]
pub struct BadNetwork;

impl FromStr for Network {
    type Err = BadNetwork;
    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| BadNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| BadNetwork))?;
        if bits > most {
            return Err(BadNetwork);
        }
        Ok(Self { address, bits })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Network {
    /// True for an address of this network.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let shift = u32::from(32_u8.saturating_sub(self.bits));
                u32::from(a).checked_shr(shift).unwrap_or(0) == u32::from(b).checked_shr(shift).unwrap_or(0)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let shift = u32::from(128_u8.saturating_sub(self.bits));
                u128::from(a).checked_shr(shift).unwrap_or(0) == u128::from(b).checked_shr(shift).unwrap_or(0)
            }
            _ => false,
        }
    }
}

/// IPv4 blocks that are not the public internet. Source: IANA special-purpose address registry (RFC 6890).
const CLOSED_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];
/// Global unicast is all of IPv6 that is routed; the rest of these blocks lies inside it and is not.
const OPEN_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const CLOSED_V6: &[(Ipv6Addr, u8)] = &[
    // Special purposes, Teredo among them: it carries an IPv4 address of its own.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4 carries one, too.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let closed =
                |(block, bits): &(Ipv4Addr, u8)| Network { address: (*block).into(), bits: *bits }.holds(v4.into());
            !CLOSED_V4.iter().any(closed)
        }
        IpAddr::V6(v6) => {
            let inside =
                |(block, bits): &(Ipv6Addr, u8)| Network { address: (*block).into(), bits: *bits }.holds(v6.into());
            inside(&OPEN_V6) && !CLOSED_V6.iter().any(inside)
        }
    }
}

/// Posts webhooks.
#[derive(Debug)]
pub struct Outbound {
    allowed: Vec<Network>,
    tls: Arc<rustls::ClientConfig>,
    patience: Duration,
}

impl Outbound {
    /// A client that may connect to the public internet and to these networks. `trust` stands beside the built-in
    /// root certificates.
    ///
    /// # Errors
    /// A certificate that cannot be a root.
    pub fn new(allowed: Vec<Network>, trust: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in trust {
            roots.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { allowed, tls: Arc::new(tls), patience: PATIENCE })
    }

    /// A client that may connect to every address, also inside: for addresses that only the operator can write.
    ///
    /// # Errors
    /// As [`Outbound::new`].
    pub fn anywhere() -> Result<Self, rustls::Error> {
        let all = |address: IpAddr| Network { address, bits: 0 };
        Self::new(vec![all(Ipv4Addr::UNSPECIFIED.into()), all(Ipv6Addr::UNSPECIFIED.into())], Vec::new())
    }

    /// Sends one request and reads the answer: status and at most 1 MiB of body. Follows nothing.
    ///
    /// `None` when there is no answer within the patience.
    pub fn exchange(&self, request: &Plain<'_>, patience: Duration) -> Option<(u16, Vec<u8>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        // Inside: the timer belongs to the runtime.
        let answer = runtime.block_on(async { tokio::time::timeout(patience, self.try_exchange(request)).await });
        runtime.shutdown_background();
        answer.ok()?.ok()
    }

    async fn try_exchange(&self, request: &Plain<'_>) -> Result<(u16, Vec<u8>), Answer> {
        let (method, body) = match request.body {
            Some(body) => (Method::POST, body),
            None => (Method::GET, &[][..]),
        };
        let head = Request::builder().method(method).header(header::CONTENT_TYPE, request.media);
        self.reach(request.url, head, body, MAX_ANSWER).await
    }

    fn is_listed(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|network| network.holds(address))
    }

    /// The addresses of a name, all of them lawful.
    async fn resolve(&self, host: &str, port: u16, plain: bool) -> Result<Vec<SocketAddr>, Answer> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = lookup_host((bare, port)).await.map_err(|_| Answer::Failed("the name does not resolve"))?;
        // What a v4-mapped address reaches is the v4 address.
        let addresses: Vec<SocketAddr> = found.map(|at| SocketAddr::new(at.ip().to_canonical(), at.port())).collect();
        let lawful = |at: &SocketAddr| self.is_listed(at.ip()) || (!plain && is_public(at.ip()));
        match addresses.iter().all(lawful) {
            _ if addresses.is_empty() => Err(Answer::Failed("the name does not resolve")),
            true => Ok(addresses),
            false => Err(Answer::NotAllowed),
        }
    }

    async fn send(&self, post: &Post<'_>) -> Answer {
        match self.try_send(post).await {
            Ok(answer) | Err(answer) => answer,
        }
    }

    async fn try_send(&self, post: &Post<'_>) -> Result<Answer, Answer> {
        let mut head = Request::builder().method(Method::POST).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in &post.headers {
            head = head.header(*name, value);
        }
        let (status, _) = self.reach(post.url, head, post.body, 0).await?;
        Ok(Answer::Status(status))
    }

    /// Connects, sends one request, and reads the status and, within the limit, the body.
    async fn reach(
        &self,
        url: &str,
        head: axum::http::request::Builder,
        body: &[u8],
        limit: usize,
    ) -> Result<(u16, Vec<u8>), Answer> {
        let uri: Uri = url.parse().map_err(|_| Answer::Failed("the address does not parse"))?;
        let plain = match uri.scheme_str() {
            Some("https") => false,
            Some("http") => true,
            _ => return Err(Answer::Failed("the address is neither https nor http")),
        };
        let host = uri.host().ok_or(Answer::Failed("the address has no host"))?;
        let port = uri.port_u16().unwrap_or(if plain { 80 } else { 443 });
        let addresses = self.resolve(host, port, plain).await?;
        // One lookup, and only its answers are connected to.
        let stream = TcpStream::connect(addresses.as_slice()).await.map_err(|_| Answer::Failed("no connection"))?;
        let _ = stream.set_nodelay(true);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let request = head
            .uri(path)
            .header(header::HOST, authority)
            .header(header::USER_AGENT, concat!("memgate/", env!("CARGO_PKG_VERSION")))
            .header(header::CONTENT_LENGTH, body.len())
            .body(Body::from(body.to_vec()));
        let request = request.map_err(|_| Answer::Failed("the request cannot be made"))?;
        if plain {
            return talk(stream, request, limit).await;
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| Answer::Failed("the host is no name for TLS"))?;
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await;
        talk(stream.map_err(|_| Answer::Failed("TLS failed: the certificate, or the protocol"))?, request, limit).await
    }
}

/// Sends one request and reads the answer's status, and its body where a limit says that it is wanted.
async fn talk<S>(stream: S, request: Request<Body>, limit: usize) -> Result<(u16, Vec<u8>), Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(16 * 1024).max_headers(64);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|_| Answer::Failed("no connection"))?;
    let answer = async {
        let cut = |_| Answer::Failed("the answer is not HTTP, or was cut off");
        let response = sender.send_request(request).await.map_err(cut)?;
        let status = response.status().as_u16();
        let body = match limit {
            0 => Vec::new(),
            limit => {
                let whole = axum::body::to_bytes(Body::new(response.into_body()), limit).await;
                whole.map_err(|_| Answer::Failed("the answer was cut off, or is too long"))?.to_vec()
            }
        };
        Ok((status, body))
    };
    tokio::pin!(answer);
    tokio::pin!(connection);
    let mut open = true;
    loop {
        tokio::select! {
            answer = &mut answer => return answer,
            _ = &mut connection, if open => open = false,
        }
    }
}

impl Deliver for Outbound {
    fn post(&self, post: &Post<'_>, stop: &AtomicBool) -> Answer {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return Answer::Failed("no runtime could be started") };
        let answer = runtime.block_on(async {
            let stopped = async {
                while !stop.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::select! {
                answer = self.send(post) => answer,
                () = stopped => Answer::Stopped,
                () = tokio::time::sleep(self.patience) => Answer::Failed("no answer in time"),
            }
        });
        // A lookup that still waits for a name server ends by itself.
        runtime.shutdown_background();
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        for public in ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for closed in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "64:ff9b::a00:1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fec0::1",
        ] {
            assert!(!is_public(closed.parse().unwrap()), "{closed}");
        }
    }

    #[test]
    fn networks_hold_their_addresses() {
        let network = |text: &str| text.parse::<Network>();
        assert!(network("10.0.0.0/8").unwrap().holds("10.9.9.9".parse().unwrap()));
        assert!(!network("10.0.0.0/8").unwrap().holds("11.0.0.0".parse().unwrap()));
        assert!(network("0.0.0.0/0").unwrap().holds("11.0.0.0".parse().unwrap()));
        assert!(network("::1").unwrap().holds("::1".parse().unwrap()));
        assert!(network("fd00::/8").unwrap().holds("fd12::1".parse().unwrap()));
        assert!(!network("0.0.0.0/0").unwrap().holds("::1".parse().unwrap()));
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "hooks.example", "10.0.0/8", "10.0.0.0/-1"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    fn post(outbound: &Outbound, url: &str) -> Answer {
        outbound.post(&Post { url, headers: Vec::new(), body: b"{}" }, &AtomicBool::new(false))
    }

    #[test]
    fn what_is_inside_is_not_connected_to_unless_it_is_listed() {
        let nobody = Outbound::new(Vec::new(), Vec::new()).unwrap();
        for url in [
            "http://127.0.0.1:9/",
            "https://127.0.0.1:9/",
            "https://127.1:9/",
            "https://2130706433:9/",
            "https://localhost:9/",
            "https://[::1]:9/",
            "https://[::ffff:127.0.0.1]:9/",
            "https://0.0.0.0:9/",
            "https://169.254.169.254/latest/",
            "http://192.168.0.1/",
        ] {
            assert_eq!(post(&nobody, url), Answer::NotAllowed, "{url}");
        }
        // Listed: the connection is tried. Plain HTTP to what is not listed never is, public or not.
        let listed = Outbound::new(vec!["127.0.0.1".parse().unwrap()], Vec::new()).unwrap();
        assert_eq!(post(&listed, "http://127.0.0.1:1/"), Answer::Failed("no connection"));
        assert_eq!(post(&listed, "http://8.8.8.8/"), Answer::NotAllowed);
        assert_eq!(post(&listed, "gopher://127.0.0.1/"), Answer::Failed("the address is neither https nor http"));
    }

    #[test]
    fn an_exchange_gives_status_and_body_and_ends_in_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let answer = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = [0; 1024];
            let read = stream.read(&mut seen).unwrap();
            stream.write_all(b"HTTP/1.1 409 Conflict\r\ncontent-length: 2\r\n\r\n7\n").unwrap();
            // Held open: the next attempt finds nobody who answers.
            (String::from_utf8_lossy(&seen[..read]).into_owned(), listener)
        });
        let anywhere = Outbound::anywhere().unwrap();
        let request = Plain { url: &url, media: "text/plain", body: Some(b"old 0\n") };
        assert_eq!(anywhere.exchange(&request, Duration::from_secs(5)), Some((409, b"7\n".to_vec())));
        let (seen, listener) = answer.join().unwrap();
        assert!(seen.starts_with("POST /x HTTP/1.1\r\n"), "{seen}");
        let silent = Plain { url: &url, media: "text/plain", body: None };
        assert_eq!(anywhere.exchange(&silent, Duration::from_millis(30)), None);
        drop(listener);
    }

    #[test]
    fn a_stop_ends_an_attempt() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let listed = Outbound::new(vec!["127.0.0.0/8".parse().unwrap()], Vec::new()).unwrap();
        // It accepts and never answers.
        let answer = listed.post(&Post { url: &url, headers: Vec::new(), body: b"" }, &AtomicBool::new(true));
        assert_eq!(answer, Answer::Stopped);
        let hasty = Outbound { patience: Duration::from_millis(20), ..listed };
        assert_eq!(post(&hasty, &url), Answer::Failed("no answer in time"));
    }
}
