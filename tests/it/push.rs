//! Messages between processes, on the services profile over the real Redis.

use crate::support::wait::eventually;
use crate::support::{Profile, TestApp, need, profile};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use tradepost::app::App;
use tradepost::cache::push::Message;
use tradepost::health::State;
use uuid::Uuid;

async fn connected(app: &App) {
    app.push().start(app.workers());
    eventually("it is subscribed", async || {
        (app.push().state().state == State::Ok).then_some(())
    })
    .await;
}

/// What has arrived, without the `Lost` of connecting.
fn drain(receiver: &mut Receiver<Message>) -> Vec<Message> {
    std::iter::from_fn(|| match receiver.try_recv() {
        Ok(message) => Some(message),
        Err(TryRecvError::Empty) => None,
        Err(error) => panic!("{error}"),
    })
    .collect()
}

#[tokio::test]
async fn a_message_arrives_once_here_and_once_in_every_other_process() {
    if profile() != Profile::Services {
        return;
    }
    let test = TestApp::new().await;
    let (one, two) = (&test.app, test.replica().await);
    connected(one).await;
    connected(&two).await;
    let (mut here, mut there) = (one.push().subscribe(), two.push().subscribe());

    let user: Uuid = one.clock().id();
    one.push().send(Message::ViewerChanged(user));
    assert_eq!(
        drain(&mut here),
        [Message::ViewerChanged(user)],
        "at once, before Redis"
    );
    assert_eq!(there.recv().await.unwrap(), Message::ViewerChanged(user));

    // An answer from the other process: what came back over Redis before it would be seen by now.
    two.push().send(Message::OutboxWritten);
    assert_eq!(here.recv().await.unwrap(), Message::OutboxWritten);
    assert_eq!(drain(&mut there), [Message::OutboxWritten]);
    assert_eq!(drain(&mut here), []);
}

#[tokio::test]
async fn a_killed_connection_says_lost_and_comes_back() {
    if profile() != Profile::Services {
        return;
    }
    let test = TestApp::new().await;
    let (one, two) = (&test.app, test.replica().await);
    connected(one).await;
    connected(&two).await;
    let mut here = one.push().subscribe();

    // Only this test's connections: those that listen to its own channel.
    let client = redis::Client::open(need("TRADEPOST_TEST_REDIS_URL")).unwrap();
    let mut admin = client.get_multiplexed_async_connection().await.unwrap();
    let ids = eventually("both connections have their name", async || {
        let ids = subscribers(&mut admin, one).await;
        (ids.len() == 2).then_some(ids)
    })
    .await;
    for id in ids {
        let killed: i64 = redis::cmd("CLIENT")
            .arg(&["KILL", "ID"])
            .arg(id)
            .query_async(&mut admin)
            .await
            .unwrap();
        assert_eq!(killed, 1);
    }
    assert_eq!(
        here.recv().await.unwrap(),
        Message::Lost,
        "it is told at once"
    );
    assert_eq!(
        here.recv().await.unwrap(),
        Message::Lost,
        "and when it is back"
    );
    let user: Uuid = one.clock().id();
    two.push().send(Message::ViewerChanged(user));
    eventually("a message arrives again", async || {
        drain(&mut here)
            .contains(&Message::ViewerChanged(user))
            .then_some(())
    })
    .await;
    eventually("both say so", async || {
        (one.push().state().state == State::Ok && two.push().state().state == State::Ok)
            .then_some(())
    })
    .await;
}

/// The connections of this test's processes, which are named like its channel.
async fn subscribers(admin: &mut redis::aio::MultiplexedConnection, app: &App) -> Vec<i64> {
    let channel = format!("{}:push", app.config().redis.prefix);
    let list: String = redis::cmd("CLIENT")
        .arg("LIST")
        .query_async(admin)
        .await
        .unwrap();
    let field = |line: &str, name: &str| {
        line.split(' ')
            .find_map(|part| part.strip_prefix(name).map(str::to_owned))
            .unwrap()
    };
    list.lines()
        .filter(|line| field(line, "name=") == channel)
        .map(|line| field(line, "id=").parse().unwrap())
        .collect()
}

#[tokio::test]
async fn without_redis_everything_works_in_this_process() {
    let test = TestApp::with(&[("redis.url", json!("redis://127.0.0.1:1"))]).await;
    let app = &test.app;
    app.push().start(app.workers());
    assert_eq!(app.push().state().state, State::Degraded);
    let mut here = app.push().subscribe();
    let messages: Vec<Message> = (0..3_000)
        .map(|_| Message::ViewerChanged(app.clock().id()))
        .collect();
    for message in &messages {
        app.push().send(message.clone());
        assert_eq!(here.recv().await.unwrap(), *message);
    }
    assert!(
        app.workers()
            .shut_down(std::time::Duration::from_secs(5))
            .await
    );
    assert_eq!(app.push().state().state, State::Degraded);

    let off = TestApp::with(&[("redis.url", json!(""))]).await;
    assert_eq!(off.app.push().state().state, State::Off);
}
