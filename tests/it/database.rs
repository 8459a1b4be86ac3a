//! The database layer on the engine of this run.

use crate::support::database::{MysqlDatabase, content};
use crate::support::{Profile, TestApp, profile};
use chrono::TimeDelta;
use entity::platform::setting;
use sea_orm::{ActiveValue::Set, EntityTrait};
use tradepost::db::lease::Lease;
use tradepost::db::migrate;
use tradepost::error::Fault;
use tradepost::seed;

#[tokio::test]
async fn migrations_have_run_and_running_them_again_changes_nothing() {
    let test = TestApp::new().await;
    migrate::run(test.app.db(), test.app.config(), migrate::Direction::Up)
        .await
        .unwrap();
    let status = migrate::status(test.app.db()).await.unwrap();
    assert!(
        status.len() > 10 && status.iter().all(|(_, done)| *done),
        "{status:?}"
    );
    assert!(test.app.db().ready().await.unwrap());
}

/// The columns of when a migration ran and which run it was tell nothing.
fn without_times(content: &str) -> String {
    let lines = content.lines();
    let kept: Vec<&str> = lines
        .filter(|line| !line.starts_with("INSERT INTO seaql_migrations"))
        .collect();
    kept.join("\n")
}

#[tokio::test]
async fn the_database_of_a_test_is_what_the_migrations_make() {
    if profile() == Profile::Embedded {
        return; // It is the very file that the migrations wrote.
    }
    let test = TestApp::new().await;
    let migrated = MysqlDatabase::migrated_itself().await;
    let (copied, made) = (
        content(&test.database_url()).await,
        content(&migrated.url).await,
    );
    assert_eq!(without_times(&copied), without_times(&made));
    assert!(made.matches("CREATE TABLE").count() > 10, "{made}");
}

#[tokio::test]
async fn a_transaction_that_fails_leaves_nothing() {
    let test = TestApp::new().await;
    let row = || setting::ActiveModel {
        name: Set("a".to_owned()),
        value: Set("1".to_owned()),
    };
    let result = test
        .app
        .db()
        .write("test.fail", async |tx| {
            setting::Entity::insert(row())
                .exec_without_returning(&*tx)
                .await?;
            Err::<(), _>(Fault::Broken("on purpose".to_owned()))
        })
        .await;
    assert!(matches!(result, Err(Fault::Broken(_))), "{result:?}");
    let found = test.app.db().read("test.find", async |c| {
        Ok::<_, Fault>(setting::Entity::find_by_id("a").one(&*c).await?)
    });
    assert_eq!(found.await.unwrap(), None);
}

#[tokio::test]
async fn a_lease_has_one_holder_until_it_ends() {
    let test = TestApp::new().await;
    let app = &test.app;
    let lease = |holder| {
        Lease::new(
            app.db().clone(),
            app.clock().clone(),
            "work",
            holder,
            TimeDelta::seconds(5),
        )
    };
    let (one, two) = (lease(app.clock().id()), lease(app.clock().id()));
    assert!(one.hold().await.unwrap());
    assert!(!two.hold().await.unwrap());
    assert!(one.hold().await.unwrap(), "the holder renews it");
    app.clock().advance(TimeDelta::seconds(6));
    assert!(two.hold().await.unwrap(), "a dead holder's lease ends");
    assert!(!one.hold().await.unwrap());
    two.release().await.unwrap();
    assert!(one.hold().await.unwrap());
}

#[tokio::test]
async fn a_new_shop_is_filled_once_however_many_processes_start() {
    let test = TestApp::new().await;
    let apps = [
        test.replica().await,
        test.replica().await,
        test.replica().await,
    ];
    let filled = futures::future::join_all(apps.iter().map(seed::fill_if_empty)).await;
    for filled in filled {
        filled.unwrap();
    }
    assert!(!seed::is_empty(&test.app).await.unwrap());
    let data = test
        .guest()
        .data(
            "{ products(filter: {search: \"earl\"}) { totalCount } }",
            serde_json::json!({}),
        )
        .await;
    assert_eq!(data["products"]["totalCount"], 1);
}
