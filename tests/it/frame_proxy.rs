//! The proxy before Cassandra itself: it sees what the driver sends, to every node, and nothing escapes its harm.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scylla::client::PoolSize;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;

use crate::support::cassandra::{self, Cluster, Options};
use crate::support::frame_proxy::{At, FrameProxy, Harm};

/// How long the driver may take to find its way back.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session by the address of the url.
async fn session(url: &str) -> Session {
    let address = url.trim_start_matches("cassandra://");
    let (address, _) = address.split_once('/').expect("a keyspace");
    SessionBuilder::new()
        .known_node(address)
        .pool_size(PoolSize::PerHost(NonZeroUsize::MIN))
        .fetch_schema_metadata(false)
        .auto_await_schema_agreement(false)
        .build()
        .await
        .expect("connect through the proxy")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_counts_and_harms_what_a_driver_sends_to_any_node() {
    if !cassandra::available() {
        return;
    }
    let cluster = Cluster::start(Options {
        nodes: 2,
        proxied: true,
        ..Options::default()
    });
    let keyspace = cluster.create_keyspace();
    cluster.run(&keyspace, "create table t (a int primary key)");
    let proxy = FrameProxy::start(&cluster);
    assert!(
        proxy
            .url("k")
            .contains(&cluster.proxy_contact(1).to_string())
    );
    let session = session(&proxy.url(&keyspace)).await;
    let mut found: Vec<_> = session
        .get_cluster_state()
        .get_nodes_info()
        .iter()
        .map(|node| node.address.to_string())
        .collect();
    found.sort();
    let told = [1, 2].map(|node| cluster.proxy_contact(node).to_string());
    assert_eq!(
        found, told,
        "the driver has found every node, behind the proxy"
    );

    let insert = |value: i32| {
        let text = format!("insert into {keyspace}.t (a) values ({value})");
        let mut statement = scylla::statement::Statement::new(text);
        statement.set_retry_policy(Some(Arc::new(
            scylla::policies::retry::FallthroughRetryPolicy::new(),
        )));
        statement.set_request_timeout(Some(Duration::from_secs(2)));
        statement
    };
    let rows = || cluster.run(&keyspace, "select count(*) from t");
    proxy.count_anew();
    for value in 1..=4 {
        session
            .query_unpaged(insert(value), ())
            .await
            .expect("insert");
    }
    assert_eq!((proxy.requests(), proxy.answers()), (4, 4));
    assert!(proxy.texts()[3].ends_with("values (4)"));
    assert_eq!(rows(), "4");

    // Cut before it is passed on: the node never sees it. Behind it: the node does, the client cannot know.
    proxy.harm(At::Before(5), Harm::Cut);
    assert!(session.query_unpaged(insert(5), ()).await.is_err());
    proxy.await_struck(1);
    assert_eq!(rows(), "4");
    // The driver comes back in its own time.
    let since = Instant::now();
    while session.query_unpaged(insert(6), ()).await.is_err() {
        assert!(since.elapsed() < PATIENCE, "the driver does not come back");
    }
    assert_eq!(rows(), "5");

    proxy.heal();
    let next = proxy.requests() + 1;
    proxy.harm(At::After(next), Harm::Swallow);
    assert!(session.query_unpaged(insert(7), ()).await.is_err());
    proxy.await_struck(1);
    assert_eq!(rows(), "6");

    let called = Arc::new(AtomicUsize::new(0));
    let call = Arc::clone(&called);
    proxy.heal();
    proxy.harm(
        At::Sent("values (8)".to_owned()),
        Harm::Call(Box::new(move |node| call.store(node, Ordering::SeqCst))),
    );
    session.query_unpaged(insert(8), ()).await.expect("insert");
    assert!([1, 2].contains(&called.load(Ordering::SeqCst)));

    proxy.heal();
    proxy.harm(At::Before(proxy.requests() + 1), Harm::Hold);
    let held = tokio::spawn({
        let statement = insert(9);
        async move { session.query_unpaged(statement, ()).await.is_ok() }
    });
    proxy.await_struck(1);
    assert_eq!(rows(), "7");
    proxy.release();
    let _ = held.await.expect("the task");
    cluster.await_rows(&keyspace, "select count(*) from t", "8");
}
