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
