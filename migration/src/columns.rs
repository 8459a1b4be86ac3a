//! Columns and tables as both engines want them: this file alone knows how MySQL and SQLite differ.
//!
//! Text is compared by its bytes on both engines (`utf8mb4_bin` on MySQL); what must be compared without case
//! has a folded column of its own. Times have microseconds; the program writes them, never the database.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Makes the columns of one table for one engine.
#[derive(Clone, Copy)]
pub(crate) struct Columns(DbBackend);

impl Columns {
    pub(crate) fn of(manager: &SchemaManager<'_>) -> Self {
        Self(manager.get_database_backend())
    }

    /// 16 bytes of a UUID.
    pub(crate) fn id(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(name).binary_len(16).not_null().take()
    }

    /// 16 bytes of a UUID, or nothing.
    pub(crate) fn id_null(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(name).binary_len(16).null().take()
    }

    /// Text of at most `len` characters; SQLite does not enforce the length, validation does.
    pub(crate) fn string(self, name: &'static str, len: u32) -> ColumnDef {
        ColumnDef::new(name).string_len(len).not_null().take()
    }

    /// The same, or nothing.
    pub(crate) fn string_null(self, name: &'static str, len: u32) -> ColumnDef {
        ColumnDef::new(name).string_len(len).null().take()
    }

    /// Long text.
    pub(crate) fn text(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(name).text().not_null().take()
    }

    /// The same, or nothing.
    pub(crate) fn text_null(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(name).text().null().take()
    }

    /// Minor units, counts.
    pub(crate) fn bigint(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(name).big_integer().not_null().take()
    }

    /// The same, or nothing.
    pub(crate) fn bigint_null(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(name).big_integer().null().take()
    }

    /// Versions, positions.
    pub(crate) fn int(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(name).integer().not_null().take()
    }

    /// The same, or nothing.
    pub(crate) fn int_null(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(name).integer().null().take()
    }

    /// A primary key that the database counts up.
    pub(crate) fn serial(self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match self.0 {
            // SQLite counts up only an INTEGER, which holds 64 bits there.
            DbBackend::Sqlite => column.integer(),
            _ => column.big_integer(),
        };
        column.not_null().auto_increment().primary_key().take()
    }

    /// A moment in UTC with microseconds.
    pub(crate) fn time(self, name: &'static str) -> ColumnDef {
        self.time_type(ColumnDef::new(name)).not_null().take()
    }

    /// The same, or nothing.
    pub(crate) fn time_null(self, name: &'static str) -> ColumnDef {
        self.time_type(ColumnDef::new(name)).null().take()
    }

    /// JSON text.
    pub(crate) fn json(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(name).json().not_null().take()
    }

    /// The same, or nothing.
    pub(crate) fn json_null(self, name: &'static str) -> ColumnDef {
        ColumnDef::new(name).json().null().take()
    }

    fn time_type(self, mut column: ColumnDef) -> ColumnDef {
        match self.0 {
            // `timestamp` would round to a second and end in 2038.
            DbBackend::MySql => column.custom(Alias::new("datetime(6)")),
            _ => column.timestamp_with_time_zone(),
        };
        column
    }
}

/// Names an index of `table` over `columns`.
pub(crate) fn index(name: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name);
    for column in columns {
        index.col(*column);
    }
    index
}

/// Names a unique index.
pub(crate) fn unique(name: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    index(name, columns).unique().take()
}

/// Names a foreign key to `to_table(id)`.
pub(crate) fn foreign_key(
    name: &'static str,
    column: &'static str,
    to_table: &'static str,
    on_delete: ForeignKeyAction,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(name)
        .from_col(column)
        .to(to_table, "id")
        .on_delete(on_delete)
        .take()
}

/// Creates a table with its indexes: one statement on MySQL, so that a failure leaves nothing half done there;
/// on SQLite, which has no indexes inside a table, the caller's transaction does the same.
pub(crate) async fn create_table(
    manager: &SchemaManager<'_>,
    name: &'static str,
    mut table: TableCreateStatement,
    indexes: Vec<IndexCreateStatement>,
) -> Result<(), DbErr> {
    table.table(name);
    if manager.get_database_backend() == DbBackend::MySql {
        table.character_set("utf8mb4").collate("utf8mb4_bin");
        for mut index in indexes {
            table.index(&mut index);
        }
        return manager.create_table(table).await;
    }
    manager.create_table(table).await?;
    for mut index in indexes {
        manager.create_index(index.table(name).take()).await?;
    }
    Ok(())
}

/// A table that stands in the order of its primary key and nowhere else, as every table does on MySQL.
pub(crate) fn clustered(
    manager: &SchemaManager<'_>,
    mut table: TableCreateStatement,
) -> TableCreateStatement {
    if manager.get_database_backend() == DbBackend::Sqlite {
        table.extra("WITHOUT ROWID");
    }
    table
}

/// Drops a table.
pub(crate) async fn drop_table(
    manager: &SchemaManager<'_>,
    name: &'static str,
) -> Result<(), DbErr> {
    manager
        .drop_table(Table::drop().table(name).if_exists().take())
        .await
}
