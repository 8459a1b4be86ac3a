//! Schema changes of Tradepost, one a file, run in the order of this list under the lock of `src/db/migrate.rs`.
//!
//! A file is never edited after a release. A release only expands (new tables, nullable columns, indexes); what
//! contracts comes one release later, so that the old program and the new one can run side by side. A new change:
//! copy the newest file, name it by date and content, add it at the end of both lists.

use sea_orm_migration::MigrationTrait;
pub use sea_orm_migration::{MigratorTrait, SchemaManager};

mod columns;
mod m20261121_000001_create_settings;
mod m20261121_000002_create_leases;
mod m20261121_000003_create_idempotency_keys;
mod m20261121_000004_create_number_blocks;
mod m20261121_000005_create_outbox_events;
mod m20261121_000006_create_users;
mod m20261121_000007_create_sessions;
mod m20261121_000008_create_refresh_tokens;
mod m20261121_000009_create_categories;
mod m20261121_000010_create_products;
mod m20261121_000011_create_variants;
mod m20261121_000012_create_product_categories;
mod m20261121_000013_create_product_images;
mod m20261121_000014_create_warehouses;
mod m20261121_000015_create_stock;
mod m20261121_000016_create_stock_movements;
mod m20261121_000017_create_orders;
mod m20261121_000018_create_order_lines;
mod m20261121_000019_create_order_history;
mod m20261121_000020_create_reservations;
mod m20261121_000121_create_product_terms;
mod m20261121_000141_create_cache_invalidations;
mod m20261121_000142_create_cache_epochs;
mod m20261121_000161_create_carts;
mod m20261121_000162_create_cart_lines;
mod m20261121_000163_create_addresses;
mod m20261121_000181_create_assets;
mod m20261121_000182_seed_assets;
mod m20261121_000183_create_ledger_accounts;
mod m20261121_000184_create_ledger_balances;
mod m20261121_000185_create_journal_entries;
mod m20261121_000186_create_postings;
mod m20261121_000190_create_order_requests;
mod m20261121_000191_create_order_notes;
mod m20261121_000192_create_order_fulfillments;
mod m20261121_000193_create_order_fulfillment_lines;
mod m20261121_000194_create_order_refunds;
mod m20261121_000195_create_order_refund_lines;
mod m20261121_000196_create_order_sagas;
mod m20261121_000201_create_payments;
mod m20261121_000202_create_payment_attempts;
mod m20261121_000203_create_refunds;
mod m20261121_000204_create_simulated_gateway_payments;
mod m20261121_000205_create_simulated_gateway_operations;
mod m20261121_000206_create_simulated_gateway_webhooks;
mod m20261121_000210_create_wallet_holds;
mod m20261121_000211_create_transactions;
mod m20261129_000250_index_outbox_events_waiting;
mod m20261129_000251_drop_index_outbox_events_pending;
mod m20261129_000270_create_consumer_positions;
mod m20261129_000271_create_consumer_inbox;
mod m20261129_000272_create_dead_letters;
mod m20261129_000300_outbox_events_row_format;

/// All schema changes.
#[derive(Debug, Clone, Copy)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_create_settings::Migration),
            Box::new(m20261121_000002_create_leases::Migration),
            Box::new(m20261121_000003_create_idempotency_keys::Migration),
            Box::new(m20261121_000004_create_number_blocks::Migration),
            Box::new(m20261121_000005_create_outbox_events::Migration),
            Box::new(m20261121_000006_create_users::Migration),
            Box::new(m20261121_000007_create_sessions::Migration),
            Box::new(m20261121_000008_create_refresh_tokens::Migration),
            Box::new(m20261121_000009_create_categories::Migration),
            Box::new(m20261121_000010_create_products::Migration),
            Box::new(m20261121_000011_create_variants::Migration),
            Box::new(m20261121_000012_create_product_categories::Migration),
            Box::new(m20261121_000013_create_product_images::Migration),
            Box::new(m20261121_000014_create_warehouses::Migration),
            Box::new(m20261121_000015_create_stock::Migration),
            Box::new(m20261121_000016_create_stock_movements::Migration),
            Box::new(m20261121_000017_create_orders::Migration),
            Box::new(m20261121_000018_create_order_lines::Migration),
            Box::new(m20261121_000019_create_order_history::Migration),
            Box::new(m20261121_000020_create_reservations::Migration),
            Box::new(m20261121_000121_create_product_terms::Migration),
            Box::new(m20261121_000141_create_cache_invalidations::Migration),
            Box::new(m20261121_000142_create_cache_epochs::Migration),
            Box::new(m20261121_000161_create_carts::Migration),
            Box::new(m20261121_000162_create_cart_lines::Migration),
            Box::new(m20261121_000163_create_addresses::Migration),
            Box::new(m20261121_000181_create_assets::Migration),
            Box::new(m20261121_000182_seed_assets::Migration),
            Box::new(m20261121_000183_create_ledger_accounts::Migration),
            Box::new(m20261121_000184_create_ledger_balances::Migration),
            Box::new(m20261121_000185_create_journal_entries::Migration),
            Box::new(m20261121_000186_create_postings::Migration),
            Box::new(m20261121_000190_create_order_requests::Migration),
            Box::new(m20261121_000191_create_order_notes::Migration),
            Box::new(m20261121_000192_create_order_fulfillments::Migration),
            Box::new(m20261121_000193_create_order_fulfillment_lines::Migration),
            Box::new(m20261121_000194_create_order_refunds::Migration),
            Box::new(m20261121_000195_create_order_refund_lines::Migration),
            Box::new(m20261121_000196_create_order_sagas::Migration),
            Box::new(m20261121_000201_create_payments::Migration),
            Box::new(m20261121_000202_create_payment_attempts::Migration),
            Box::new(m20261121_000203_create_refunds::Migration),
            Box::new(m20261121_000204_create_simulated_gateway_payments::Migration),
            Box::new(m20261121_000205_create_simulated_gateway_operations::Migration),
            Box::new(m20261121_000206_create_simulated_gateway_webhooks::Migration),
            Box::new(m20261121_000210_create_wallet_holds::Migration),
            Box::new(m20261121_000211_create_transactions::Migration),
            Box::new(m20261129_000250_index_outbox_events_waiting::Migration),
            Box::new(m20261129_000251_drop_index_outbox_events_pending::Migration),
            Box::new(m20261129_000270_create_consumer_positions::Migration),
            Box::new(m20261129_000271_create_consumer_inbox::Migration),
            Box::new(m20261129_000272_create_dead_letters::Migration),
            Box::new(m20261129_000300_outbox_events_row_format::Migration),
        ]
    }
}
