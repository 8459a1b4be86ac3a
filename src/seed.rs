//! The demo shop of development: stable ids, so that examples and screenshots stay right.

use crate::app::App;
use crate::db::lease::Lease;
use crate::domain::catalog::model::ProductRows;
use crate::domain::wallet::service::{NewTransfer, Source};
use crate::error::{Failure, Fault, Refusal};
use chrono::{DateTime, TimeDelta, Utc};
use entity::accounts::Role;
use entity::catalog::{
    Availability, CategoryStatus, ProductStatus, VariantOption, VariantOptions, category, product,
    product_image, variant,
};
use entity::ids::{CategoryId, ProductId, ProductImageId, UserId, VariantId, WarehouseId};
use std::time::Duration;
use uuid::Uuid;

/// A demo log-in.
#[derive(Clone, Copy, Debug)]
pub struct DemoUser {
    /// E-mail.
    pub email: &'static str,
    /// Password.
    pub password: &'static str,
    name: &'static str,
    role: Role,
}

/// The demo log-ins.
pub const USERS: &[DemoUser] = &[
    DemoUser {
        email: "admin@example.com",
        password: "admin123",
        name: "Ada Admin",
        role: Role::Admin,
    },
    DemoUser {
        email: "staff@example.com",
        password: "staff1234",
        name: "Sam Staff",
        role: Role::Staff,
    },
    DemoUser {
        email: "customer@example.com",
        password: "customer123",
        name: "Cleo Customer",
        role: Role::Customer,
    },
];

const CATEGORIES: &[(&str, &str, &str)] = &[
    ("tea", "Tea", "Leaves from gardens that we know."),
    ("coffee", "Coffee", "Roasted on Mondays, sent on Tuesdays."),
    ("cups", "Cups and pots", "To drink from and to brew in."),
    ("sweets", "Sweets", "What goes well with a cup."),
    ("books", "Books", "On tea, coffee and quiet hours."),
    ("gifts", "Gifts", "Wrapped, with a card."),
];

/// A demo product: category, name, price in minor units, units in the main warehouse, and its choices if it has some.
struct Demo(usize, &'static str, i64, i64, &'static [&'static str]);

/// 24 products, four in each category. The last tea is sold out, so that its answer can be seen.
const PRODUCTS: &[Demo] = &[
    Demo(0, "Earl Grey", 495, 120, &[]),
    Demo(0, "Green Sencha", 620, 80, &["50 g", "100 g", "250 g"]),
    Demo(0, "Darjeeling First Flush", 890, 4, &[]),
    Demo(0, "White Peony", 1_150, 0, &[]),
    Demo(1, "House Espresso", 750, 200, &["Beans", "Ground"]),
    Demo(1, "Ethiopia Yirgacheffe", 980, 60, &[]),
    Demo(1, "Decaf Colombia", 860, 45, &[]),
    Demo(1, "Cold Brew Bags", 640, 150, &[]),
    Demo(2, "Stoneware Cup", 1_200, 90, &["Blue", "Sand", "Black"]),
    Demo(2, "Glass Teapot", 2_450, 25, &[]),
    Demo(2, "Pour-over Dripper", 1_890, 30, &[]),
    Demo(2, "Milk Jug", 1_400, 3, &[]),
    Demo(3, "Butter Shortbread", 420, 300, &[]),
    Demo(3, "Dark Chocolate", 380, 240, &["70 %", "85 %"]),
    Demo(3, "Ginger Biscuits", 350, 180, &[]),
    Demo(3, "Lemon Curd", 520, 75, &[]),
    Demo(4, "The Book of Tea", 1_099, 40, &[]),
    Demo(4, "Coffee at Home", 1_650, 20, &[]),
    Demo(4, "A Quiet Hour", 899, 35, &[]),
    Demo(4, "Tasting Notes", 1_250, 15, &[]),
    Demo(5, "Breakfast Box", 2_900, 30, &[]),
    Demo(5, "Tasting Set", 3_450, 12, &["Tea", "Coffee"]),
    Demo(5, "Gift Card", 2_500, 1_000, &[]),
    Demo(5, "Picnic Hamper", 7_900, 5, &[]),
];

/// What the demo customer has: 10,000.00 GBP, 100,000.00 USD and 2 BTC.
const WALLET: &[(&str, i64)] = &[
    ("GBP", 1_000_000),
    ("USD", 10_000_000),
    ("BTC", 200_000_000),
];

/// An id of the demo data: the same in every demo shop.
fn demo_id<T: From<Uuid>>(kind: u16, number: usize) -> T {
    let low = 0x8000_0000_0000_0000_u64 | (u64::from(kind) << 32) | number as u64;
    Uuid::from_u64_pair(0x0193_0000_0000_7000, low).into()
}

const USER: u16 = 1;
const CATEGORY: u16 = 2;
const PRODUCT: u16 = 3;
const VARIANT: u16 = 4;
const WAREHOUSE: u16 = 5;
const IMAGE: u16 = 6;
/// How long a process may take to fill the shop before another one tries.
const FILL_LIMIT: TimeDelta = TimeDelta::seconds(30);
/// How often those that wait for it look.
const FILL_LOOK: Duration = Duration::from_millis(50);
/// Variants of one demo product at most.
const VARIANTS: usize = 10;

/// Whether nobody has used the shop yet.
///
/// # Errors
/// The database fails.
pub async fn is_empty(app: &App) -> Result<bool, Fault> {
    Ok(app.accounts().is_empty().await? && app.catalog().is_empty().await?)
}

/// Fills the shop if nobody has used it yet: once, however many processes start at the same time.
///
/// # Errors
/// The database fails.
pub async fn fill_if_empty(app: &App) -> Result<(), Fault> {
    if !is_empty(app).await? {
        return Ok(());
    }
    let (db, clock) = (app.db().clone(), app.clock().clone());
    let holder = clock.id();
    let lease = Lease::new(db, clock, "seed", holder, FILL_LIMIT);
    while !lease.hold().await? {
        tokio::time::sleep(FILL_LOOK).await;
    }
    let filled = match is_empty(app).await {
        Ok(true) => run(app).await,
        other => other.map(|_| ()),
    };
    lease.release().await?;
    filled
}

/// Fills an empty shop.
///
/// # Errors
/// The database fails.
pub async fn run(app: &App) -> Result<(), Fault> {
    for (number, user) in USERS.iter().enumerate() {
        let id: UserId = demo_id(USER, number);
        app.accounts()
            .demo_user_create(id, user.email, user.name, user.password, user.role)
            .await
            .map_err(broken)?;
    }
    let now = app.clock().now();
    let currency = app.config().shop.currency.as_str();
    let warehouses: [WarehouseId; 2] = [demo_id(WAREHOUSE, 0), demo_id(WAREHOUSE, 1)];
    let products: Vec<ProductRows> = PRODUCTS
        .iter()
        .enumerate()
        .map(|(number, demo)| product_rows(number, demo, currency, now))
        .collect();
    let (products, stock) = (&products, &stock());
    app.db()
        .write("seed.shop", async |tx| {
            app.inventory()
                .warehouse_insert_in(&tx, warehouses[0], "MAIN", "Main warehouse", 0)
                .await?;
            app.inventory()
                .warehouse_insert_in(&tx, warehouses[1], "NORTH", "Northern warehouse", 1)
                .await?;
            app.catalog()
                .categories_insert_in(&tx, categories(now))
                .await?;
            app.catalog()
                .products_insert_in(&tx, products, &categories(now))
                .await?;
            for (warehouse_id, units) in warehouses.into_iter().zip(stock) {
                app.inventory()
                    .stock_begin_many_in(&tx, warehouse_id, units, "demo data")
                    .await?;
            }
            Ok::<_, Fault>(())
        })
        .await?;
    wallets(app).await
}

/// Gives the demo customer something to spend.
async fn wallets(app: &App) -> Result<(), Fault> {
    let (staff, customer): (UserId, UserId) = (demo_id(USER, 1), demo_id(USER, 2));
    for (asset, amount_minor) in WALLET {
        let grant = NewTransfer {
            user_id: customer,
            asset: (*asset).to_owned(),
            amount_minor: *amount_minor,
            source: Source::Grant {
                reason: "Demo money".to_owned(),
            },
        };
        let granted = app.wallet().deposit(staff, &grant, None).await;
        granted.map_err(broken)?;
    }
    Ok(())
}

fn broken<E: Refusal>(failure: Failure<E>) -> Fault {
    match failure {
        Failure::Fault(fault) => fault,
        Failure::Refused(errors) => {
            Fault::Broken(format!("the demo data were refused: {errors:?}"))
        }
    }
}

fn categories(now: DateTime<Utc>) -> Vec<category::Model> {
    CATEGORIES
        .iter()
        .enumerate()
        .map(|(number, (slug, name, description))| category::Model {
            id: demo_id::<CategoryId>(CATEGORY, number),
            parent_id: None,
            name: (*name).to_owned(),
            slug: (*slug).to_owned(),
            description: (*description).to_owned(),
            status: CategoryStatus::Active,
            position: i32::try_from(number).unwrap_or_default(),
            version: 1,
            created_at: now,
            updated_at: now,
        })
        .collect()
}

/// The variants of a demo product: their ids and the names of their choices.
fn variants(number: usize, demo: &Demo) -> Vec<(VariantId, &'static str)> {
    let names: &[&str] = if demo.4.is_empty() { &[""] } else { demo.4 };
    names
        .iter()
        .enumerate()
        .map(|(place, name)| (demo_id(VARIANT, number * VARIANTS + place), *name))
        .collect()
}

/// Stock of the two warehouses: the second one has a third of what the first has, of every other product.
fn stock() -> [Vec<(VariantId, i64)>; 2] {
    let all = || {
        PRODUCTS.iter().enumerate().flat_map(|(number, demo)| {
            variants(number, demo)
                .into_iter()
                .map(move |(id, _)| (number, id, demo.3))
        })
    };
    let main = all().map(|(_, id, units)| (id, units)).collect();
    let north = all()
        .filter(|(number, ..)| number % 2 == 0)
        .map(|(_, id, units)| (id, units / 3))
        .collect();
    [main, north]
}

fn product_rows(number: usize, demo: &Demo, currency: &str, now: DateTime<Utc>) -> ProductRows {
    let &Demo(category, name, price_minor, ..) = demo;
    let slug: String = name
        .to_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .collect::<Vec<_>>()
        .join("-");
    let id: ProductId = demo_id(PRODUCT, number);
    let variants = variants(number, demo);
    let product = product::Model {
        id,
        slug: slug.clone(),
        name: name.to_owned(),
        name_folded: name.to_lowercase(),
        description: format!("{name}: {}", CATEGORIES[category].2),
        status: ProductStatus::Active,
        external_reference: None,
        default_variant_id: variants[0].0,
        price_minor,
        price_min_minor: price_minor,
        price_max_minor: price_minor + (variants.len() as i64 - 1) * 100,
        currency: currency.to_owned(),
        availability: Availability::OutOfStock,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let image = product_image::Model {
        id: demo_id::<ProductImageId>(IMAGE, number),
        product_id: id,
        position: 0,
        url: format!("https://example.com/images/{slug}.jpg"),
        alt: name.to_owned(),
    };
    let variants = variants
        .into_iter()
        .enumerate()
        .map(|(place, (variant_id, choice))| variant_row(&product, variant_id, place, choice))
        .collect();
    ProductRows {
        product,
        variants,
        images: vec![image],
        category_ids: vec![demo_id(CATEGORY, category)],
    }
}

fn variant_row(
    product: &product::Model,
    id: VariantId,
    place: usize,
    choice: &str,
) -> variant::Model {
    let mut sku = product.slug.to_uppercase();
    let mut options = Vec::new();
    if !choice.is_empty() {
        sku.push('-');
        sku.extend(
            choice
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_uppercase()),
        );
        options.push(VariantOption {
            name: "Choice".to_owned(),
            value: choice.to_owned(),
        });
    }
    variant::Model {
        id,
        product_id: product.id,
        sku_folded: sku.to_lowercase(),
        sku,
        name: choice.to_owned(),
        options: VariantOptions(options),
        price_minor: product.price_minor + place as i64 * 100,
        currency: product.currency.clone(),
        position: i32::try_from(place).unwrap_or_default(),
        is_stocked: true,
        availability: Availability::OutOfStock,
        archived_at: None,
        version: 1,
        created_at: product.created_at,
        updated_at: product.updated_at,
    }
}

/// Refuses to start in production while a demo password works.
///
/// # Errors
/// One does, or the database fails.
pub async fn refuse_demo_passwords(app: &App) -> Result<(), Fault> {
    for user in USERS {
        let works = app.accounts().password_works(user.email, user.password);
        if works.await? {
            return Err(Fault::Broken(format!(
                "the demo password of {} works: production refuses to start with it",
                user.email
            )));
        }
    }
    Ok(())
}
