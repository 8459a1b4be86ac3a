//! Tables that no domain owns: settings of the shop, idempotency keys, leases.

/// Facts of the shop that are fixed at its first migration.
pub mod setting {
    use sea_orm::entity::prelude::*;

    /// One row of `settings`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "settings")]
    pub struct Model {
        /// Name.
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        /// Value.
        pub value: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// What a mutation with an idempotency key did.
pub mod idempotency_key {
    use sea_orm::entity::prelude::*;

    /// One row of `idempotency_keys`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotency_keys")]
    pub struct Model {
        /// SHA-256 in hexadecimal of who asked, the operation and the client's key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// SHA-256 in hexadecimal of the arguments.
        pub arguments_hash: String,
        /// The id of what was made or changed.
        pub effect_id: Uuid,
        /// What of the answer cannot be read anew from what was made, as JSON.
        pub note: Option<String>,
        /// When; rows older than 24 hours are removed.
        pub created_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Who does a piece of background work, and until when.
pub mod lease {
    use sea_orm::entity::prelude::*;

    /// One row of `leases`.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "leases")]
    pub struct Model {
        /// The work.
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        /// The process that has it.
        pub holder: Uuid,
        /// When it ends if it is not renewed.
        pub expires_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Changes that the shared cache has not been told yet.
pub mod cache_invalidation {
    use sea_orm::entity::prelude::*;

    /// One row of `cache_invalidations`, written in the transaction that made the changes.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "cache_invalidations")]
    pub struct Model {
        /// Id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// What changed, as the cache names it.
        pub tags: Json,
        /// When.
        pub created_at: DateTimeUtc,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Which entries of the shared cache may be read.
pub mod cache_epoch {
    use sea_orm::entity::prelude::*;

    /// One row of `cache_epochs`; there is one for each Redis.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "cache_epochs")]
    pub struct Model {
        /// Whose: `redis`.
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        /// Entries of another epoch are not read.
        pub epoch: Uuid,
        /// The run of the Redis server that the epoch is for; a restart has another one.
        pub run_id: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
