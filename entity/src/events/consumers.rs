//! How far groups of consumers have come, what they have handled, and what they could not handle.

/// How far a group has come in the embedded log.
pub mod consumer_position {
    use sea_orm::entity::prelude::*;

    /// One row of `consumer_positions`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "consumer_positions")]
    pub struct Model {
        /// The group.
        #[sea_orm(primary_key, auto_increment = false)]
        pub consumer_group: String,
        /// The topic.
        #[sea_orm(primary_key, auto_increment = false)]
        pub topic: String,
        /// The last place in the log that is done, with all before it; 0 is before the first.
        pub log_position: i64,
        /// When it was written.
        pub updated_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// An event that a group has handled.
pub mod inbox_event {
    use crate::ids::EventId;
    use sea_orm::entity::prelude::*;

    /// One row of `consumer_inbox`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "consumer_inbox")]
    pub struct Model {
        /// The group.
        #[sea_orm(primary_key, auto_increment = false)]
        pub consumer_group: String,
        /// The event.
        #[sea_orm(primary_key, auto_increment = false)]
        pub event_id: EventId,
        /// When; it is forgotten after `consumer.inbox_days`.
        pub handled_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// An event of the embedded log that a group could not handle.
pub mod dead_letter {
    use sea_orm::entity::prelude::*;

    /// One row of `dead_letters`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dead_letters")]
    pub struct Model {
        /// Order of their failure.
        #[sea_orm(primary_key)]
        pub id: i64,
        /// The group.
        pub consumer_group: String,
        /// The topic.
        pub topic: String,
        /// The place in the log; unique with group and topic.
        pub log_position: i64,
        /// The record's key.
        pub record_key: String,
        /// The record's headers: pairs of name and text.
        pub headers: Json,
        /// The record's body.
        pub body: Json,
        /// When it happened.
        pub created_at: DateTimeUtc,
        /// Why it could not be handled.
        pub error: String,
        /// How often that was tried.
        pub attempts: i32,
        /// When that was given up.
        pub failed_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
