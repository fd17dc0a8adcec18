//! What the address of Redis says, and how one connects to that.

use std::str::FromStr;
use std::time::Duration;

use rand::seq::SliceRandom;
use redis::aio::PubSub;
use redis::cluster::ClusterClientBuilder;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisConnectionInfo,
    RedisError, RedisResult, TlsMode,
};

use super::Connection;

/// No call has a longer deadline than this.
const ANSWER: Duration = Duration::from_secs(10);
/// Connecting to one server; the whole of it has a deadline of its own.
const CONNECT: Duration = Duration::from_millis(1500);

#[derive(Debug, Clone)]
pub enum Topology {
    Single(ConnectionInfo),
    /// The servers that know who is master, and how one signs in to that.
    Sentinel {
        sentinels: Vec<ConnectionInfo>,
        master: String,
        redis: RedisConnectionInfo,
        is_tls: bool,
    },
    /// Some nodes of a cluster, which know the others.
    Cluster(Vec<ConnectionInfo>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongAddress {
    #[error(
        "redis://[user:password@]host:port[/db], redis+sentinel://[user:password@]host:port[,host:port…]/master[/db] or \
         redis+cluster://[user:password@]host:port[,host:port…]; rediss… for TLS; empty for in-process"
    )]
    Scheme,
    #[error("host:port after ://, several with commas between them")]
    Hosts,
    #[error("user:password or :password before @, other signs than letters and digits as %XX")]
    SignIn,
    #[error("the master's name after the hosts, as in redis+sentinel://host:26379/mymaster")]
    Master,
    #[error("a number of the database after the last /")]
    Database,
    #[error("no database after the hosts: a cluster has only one")]
    NoDatabase,
}

impl FromStr for Topology {
    type Err = WrongAddress;

    fn from_str(address: &str) -> Result<Self, WrongAddress> {
        let (scheme, rest) = address.split_once("://").ok_or(WrongAddress::Scheme)?;
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let parts = Parts::of(hosts)?;
        let (is_tls, kind) = match scheme.strip_prefix("rediss") {
            Some(kind) => (true, kind),
            None => (false, scheme.strip_prefix("redis").ok_or(WrongAddress::Scheme)?),
        };
        match kind {
            "" => {
                let info = address.into_connection_info();
                Ok(Self::Single(with_keepalive(
                    info.map_err(|_| WrongAddress::Hosts)?,
                )))
            }
            "+sentinel" => parts.sentinel(path, is_tls),
            "+cluster" if !path.is_empty() => Err(WrongAddress::NoDatabase),
            "+cluster" => Ok(Self::Cluster(parts.servers(parts.sign_in, 6379, is_tls)?)),
            _ => Err(WrongAddress::Scheme),
        }
    }
}

/// What stands between `://` and the path.
struct Parts<'a> {
    sign_in: &'a str,
    hosts: Vec<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, WrongAddress> {
        let (sign_in, hosts) = text.rsplit_once('@').unwrap_or(("", text));
        // A name alone is mostly a password that lacks its colon: better said than tried.
        if !sign_in.is_empty() && !sign_in.contains(':') {
            return Err(WrongAddress::SignIn);
        }
        let hosts: Vec<&str> = hosts.split(',').map(str::trim).collect();
        match hosts.iter().any(|host| host.is_empty() || host.starts_with(':')) {
            true => Err(WrongAddress::Hosts),
            false => Ok(Self { sign_in, hosts }),
        }
    }

    fn sentinel(&self, path: &str, is_tls: bool) -> Result<Topology, WrongAddress> {
        let (master, db) = path.split_once('/').unwrap_or((path, "0"));
        if master.is_empty() {
            return Err(WrongAddress::Master);
        }
        let signed_in = self.servers(self.sign_in, 26379, is_tls)?;
        let redis = signed_in.first().ok_or(WrongAddress::Hosts)?.redis_settings();
        Ok(Topology::Sentinel {
            sentinels: self.servers("", 26379, is_tls)?,
            master: master.to_owned(),
            redis: redis
                .clone()
                .set_db(db.parse().map_err(|_| WrongAddress::Database)?),
            is_tls,
        })
    }

    fn servers(&self, sign_in: &str, port: u16, is_tls: bool) -> Result<Vec<ConnectionInfo>, WrongAddress> {
        let scheme = if is_tls { "rediss" } else { "redis" };
        let at = if sign_in.is_empty() { "" } else { "@" };
        let server = |host: &&str| {
            let names_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
            let port = if names_port {
                String::new()
            } else {
                format!(":{port}")
            };
            let info = format!("{scheme}://{sign_in}{at}{host}{port}").into_connection_info();
            info.map(with_keepalive).map_err(|_| WrongAddress::Hosts)
        };
        self.hosts.iter().map(server).collect()
    }
}

/// Whoever only listens would never learn that the other side has gone without a word.
fn tcp() -> TcpSettings {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(2));
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    // Nor would whoever has sent something, for a quarter of an hour.
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(Duration::from_secs(5));
    settings
}

fn with_keepalive(info: ConnectionInfo) -> ConnectionInfo {
    info.set_tcp_settings(tcp())
}

impl Topology {
    /// A cluster's client is many connections, and sees to each of them.
    pub(super) fn heals_itself(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    pub(super) async fn connect(&self) -> RedisResult<Connection> {
        let client = match self {
            Self::Cluster(nodes) => return cluster(nodes).await,
            Self::Single(server) => Client::open(server.clone())?,
            Self::Sentinel { .. } => self.master().await?,
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        Ok(Connection::Server(connection))
    }

    /// A connection to listen with: to the master, or to any node of a cluster, as each hears all news.
    pub(super) async fn listen(&self) -> RedisResult<PubSub> {
        let nodes = match self {
            Self::Single(server) => return Client::open(server.clone())?.get_async_pubsub().await,
            Self::Sentinel { .. } => return self.master().await?.get_async_pubsub().await,
            Self::Cluster(nodes) => nodes,
        };
        let mut nodes = nodes.clone();
        nodes.shuffle(&mut rand::rng());
        let mut failure = RedisError::from((ErrorKind::ClusterConnectionNotFound, "no node"));
        for node in nodes {
            match Client::open(node)?.get_async_pubsub().await {
                Ok(pubsub) => return Ok(pubsub),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Whoever the sentinels say is master now, and says so itself.
    async fn master(&self) -> RedisResult<Client> {
        let Self::Sentinel {
            sentinels,
            master,
            redis,
            is_tls,
        } = self
        else {
            return Err((ErrorKind::InvalidClientConfig, "no sentinels").into());
        };
        let ask = |sentinels: Vec<ConnectionInfo>| {
            let node = SentinelNodeConnectionInfo::default()
                .set_redis_connection_info(redis.clone())
                .set_tcp_settings(tcp());
            let node = if *is_tls {
                node.set_tls_mode(TlsMode::Secure)
            } else {
                node
            };
            SentinelClient::build(sentinels, master, Some(node), SentinelServerType::Master)
        };
        match ask(sentinels.clone())?.async_get_client().await {
            // The sentinels want to know who asks, too: then with the same name and password.
            Err(error) if error.code() == Some("NOAUTH") => {
                let signed_in = redis.clone().set_db(0);
                let signed_in = sentinels
                    .iter()
                    .map(|info| info.clone().set_redis_settings(signed_in.clone()));
                ask(signed_in.collect())?.async_get_client().await
            }
            found => found,
        }
    }
}

async fn cluster(nodes: &[ConnectionInfo]) -> RedisResult<Connection> {
    let client = ClusterClientBuilder::new(nodes.iter().cloned())
        .tcp_settings(tcp())
        .connection_timeout(CONNECT)
        .response_timeout(ANSWER)
        // Our deadlines are shorter than many waits.
        .retries(5)
        .min_retry_wait(10)
        .max_retry_wait(200)
        .build()?;
    Ok(Connection::Cluster(client.get_async_connection().await?))
}

#[cfg(test)]
mod tests {
    use redis::ConnectionAddr;

    use super::*;

    fn parse(address: &str) -> Result<Topology, WrongAddress> {
        address.parse()
    }

    fn addresses(servers: &[ConnectionInfo]) -> Vec<String> {
        servers.iter().map(|server| server.addr().to_string()).collect()
    }

    #[test]
    fn a_single_server_is_named_as_ever() {
        let Ok(Topology::Single(server)) = parse("redis://u:p%40ss@cache.example:6380/3") else {
            panic!("a single server");
        };
        assert_eq!(server.addr().to_string(), "cache.example:6380");
        let redis = server.redis_settings();
        assert_eq!(
            (redis.username(), redis.password(), redis.db()),
            (Some("u"), Some("p@ss"), 3)
        );
        let Ok(Topology::Single(server)) = parse("rediss://cache.example") else {
            panic!("a single server");
        };
        assert!(matches!(
            server.addr(),
            ConnectionAddr::TcpTls { insecure: false, .. }
        ));
    }

    #[test]
    fn sentinels_are_asked_without_the_password_of_the_master_they_name() {
        let address = "redis+sentinel://:secret@s1,s2:5000,[::1]/mymaster/2";
        let Ok(Topology::Sentinel {
            sentinels,
            master,
            redis,
            is_tls,
        }) = parse(address)
        else {
            panic!("sentinels");
        };
        assert_eq!(addresses(&sentinels), ["s1:26379", "s2:5000", "::1:26379"]);
        assert!(
            sentinels
                .iter()
                .all(|sentinel| sentinel.redis_settings().password().is_none())
        );
        assert_eq!(
            (master.as_str(), redis.password(), redis.db(), is_tls),
            ("mymaster", Some("secret"), 2, false)
        );
    }

    #[test]
    fn every_node_of_a_cluster_is_signed_in_to() {
        let Ok(Topology::Cluster(nodes)) = parse("rediss+cluster://zhibu:secret@n1,n2:7001") else {
            panic!("a cluster");
        };
        assert_eq!(addresses(&nodes), ["n1:6379", "n2:7001"]);
        for node in nodes {
            assert!(matches!(node.addr(), ConnectionAddr::TcpTls { .. }));
            assert_eq!(node.redis_settings().username(), Some("zhibu"));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (address, wrong) in [
            ("", WrongAddress::Scheme),
            ("localhost:6379", WrongAddress::Scheme),
            ("http://localhost", WrongAddress::Scheme),
            ("redis+ring://localhost", WrongAddress::Scheme),
            ("redis://", WrongAddress::Hosts),
            ("redis://host:port", WrongAddress::Hosts),
            ("redis+cluster://a:7000,,b:7000", WrongAddress::Hosts),
            ("redis+cluster://a:7000,b:70000", WrongAddress::Hosts),
            ("redis+cluster://secret@a:7000", WrongAddress::SignIn),
            ("redis+cluster://a:7000/0", WrongAddress::NoDatabase),
            ("redis+sentinel://a:26379", WrongAddress::Master),
            ("redis+sentinel://a:26379/", WrongAddress::Master),
            ("redis+sentinel://a:26379/mymaster/x", WrongAddress::Database),
        ] {
            assert_eq!(parse(address).err(), Some(wrong), "{address}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        for kind in [
            "redis://u:hidden@a",
            "redis+sentinel://u:hidden@a/m",
            "redis+cluster://u:hidden@a",
        ] {
            assert!(!format!("{:?}", parse(kind)).contains("hidden"), "{kind}");
        }
    }
}
