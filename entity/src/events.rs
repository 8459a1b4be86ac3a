//! The outbox: events that were written in the transaction that caused them; and what is known of their consumers.

pub mod consumers;

/// An event that waits to be published, or was.
pub mod outbox_event {
    use crate::ids::EventId;
    use sea_orm::entity::prelude::*;

    /// One row of `outbox_events`. Its names follow Debezium's outbox router, so that change capture can replace the relay.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "outbox_events")]
    pub struct Model {
        /// Order of insertion; never used as a cursor, because transactions commit in another order.
        #[sea_orm(primary_key)]
        pub id: i64,
        /// The event's id (`ce_id`), the same on every resend.
        pub event_id: EventId,
        /// 0 to 63, a hash of the aggregate's id: one relay at a time sends a shard.
        pub shard: i32,
        /// What the event is about (`order`).
        pub aggregate_type: String,
        /// Its id; the record's key.
        pub aggregate_id: Uuid,
        /// The aggregate's version after the change, for orders and trades; unique for an aggregate.
        pub aggregate_version: Option<i32>,
        /// Type with its version (`tradepost.order.created.v1`).
        #[sea_orm(column_name = "type")]
        pub event_type: String,
        /// Body as it is sent.
        pub payload: Json,
        /// Further headers (trace context).
        pub headers: Json,
        /// When it happened.
        pub created_at: DateTimeUtc,
        /// When the broker had it.
        pub published_at: Option<DateTimeUtc>,
        /// How often sending failed.
        pub attempts: i32,
        /// What the last failure was.
        pub last_error: Option<String>,
        /// When it was set aside after too many failures; later events of its aggregate wait.
        pub parked_at: Option<DateTimeUtc>,
        /// Place in the embedded broker's log, dense from 1; none with Kafka.
        pub log_position: Option<i64>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
