//! From invoice lines to what `tradepost import products` and `tradepost import orders` read.
//!
//! The rules, so that the same file always gives the same catalogue:
//! - A *sale* is a line whose `InvoiceNo` starts with neither `C` (cancellation) nor `A` (adjustment), with a quantity
//!   and a price above zero and with a customer. Only sales count; [`orders`] writes all other lines to a file of their
//!   own, with the reason.
//! - Codes that differ only in case are one product. Codes that are no products (`POST`, `DOT`, `M`, `BANK CHARGES`)
//!   are kept: they were sold.
//! - SKU, name and price are what most sales of the code say; of values that are equally frequent the one that comes
//!   first in the file. A code that is never described has the code as its name.
//! - `stock` is what was sold, so that all of it can be sold again.
//! - Nothing is mended: a price of 0.001 stays as it is, and the importer says what is wrong with it.

use csv::{ReaderBuilder, StringRecord, WriterBuilder};
use flate2::read::MultiGzDecoder;
use rust_decimal::Decimal;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::path::Path;

/// What a file of gzip begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The columns of the catalogue.
const COLUMNS: [&str; 4] = ["sku", "name", "price", "stock"];
/// The columns of the orders.
const ORDER_COLUMNS: [&str; 7] = [
    "order",
    "ordered_at",
    "sku",
    "quantity",
    "unit_price",
    "name",
    "customer_reference",
];

/// Why a file cannot be converted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Reading or writing failed.
    #[error("reading or writing failed")]
    Io(#[from] std::io::Error),
    /// The file is not CSV.
    #[error("this is no CSV file")]
    Csv(#[from] csv::Error),
    /// A column is missing.
    #[error("there is no column {0}")]
    Column(&'static str),
    /// A value is not what its column holds.
    #[error("line {line}: {column} is {value:?}")]
    Value {
        /// Line of the file.
        line: u64,
        /// Column.
        column: &'static str,
        /// What stands there.
        value: String,
    },
}

/// One line that sold something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sale {
    /// Number of its invoice.
    pub(crate) invoice: String,
    /// When, as local time of London.
    pub(crate) date: String,
    /// Id of the customer.
    pub(crate) customer: String,
    /// Code of the product as it is written in this line.
    pub(crate) code: String,
    /// Description; may be empty.
    pub(crate) description: String,
    /// Units, 1 or more.
    pub(crate) quantity: i64,
    /// Price of a unit in pounds, as it is written.
    pub(crate) price: String,
}

/// Why a line sold nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotASale {
    Cancellation,
    Adjustment,
    Quantity,
    Price,
    Customer,
}

impl NotASale {
    const fn reason(self) -> &'static str {
        match self {
            Self::Cancellation => "a cancellation: InvoiceNo begins with C",
            Self::Adjustment => "an adjustment: InvoiceNo begins with A",
            Self::Quantity => "Quantity is not above zero",
            Self::Price => "UnitPrice is not above zero",
            Self::Customer => "there is no CustomerID",
        }
    }
}

/// What a conversion of orders found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OrdersSummary {
    /// Lines of the file.
    pub(crate) lines: u64,
    /// Lines that sold something.
    pub(crate) sales: u64,
    /// Lines that did not.
    pub(crate) others: u64,
}

/// What a conversion found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Lines that sold something.
    pub(crate) sales: u64,
    /// Products.
    pub(crate) products: u64,
    /// Units sold.
    pub(crate) units: i64,
}

/// A product's code without case, by which its lines are gathered.
#[must_use]
pub(crate) fn code_fold(code: &str) -> String {
    code.to_lowercase()
}

/// Opens a file, compressed or not.
///
/// # Errors
/// It cannot be read.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read>, Error> {
    let mut file = BufReader::new(File::open(path)?);
    if file.fill_buf()?.starts_with(&GZIP) {
        Ok(Box::new(MultiGzDecoder::new(file)))
    } else {
        Ok(Box::new(file))
    }
}

/// Calls `each` with every line of a file, in its order; one is in memory at a time.
///
/// # Errors
/// The file is not one of these invoices, or what `each` says.
fn lines(
    input: impl Read,
    mut each: impl FnMut(&StringRecord, Result<Sale, NotASale>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut reader = ReaderBuilder::new().from_reader(input);
    let headers = reader.headers()?.clone();
    let place = |name: &'static str| {
        headers
            .iter()
            .position(|header| header == name)
            .ok_or(Error::Column(name))
    };
    let places = Places {
        invoice: place("InvoiceNo")?,
        date: place("InvoiceDate")?,
        code: place("StockCode")?,
        description: place("Description")?,
        quantity: place("Quantity")?,
        price: place("UnitPrice")?,
        customer: place("CustomerID")?,
    };
    let mut record = StringRecord::new();
    while reader.read_record(&mut record)? {
        each(&record, places.sale(&record)?)?;
    }
    Ok(())
}

/// Where the columns are.
struct Places {
    invoice: usize,
    date: usize,
    code: usize,
    description: usize,
    quantity: usize,
    price: usize,
    customer: usize,
}

impl Places {
    /// The sale of a line, or why it is none.
    fn sale(&self, record: &StringRecord) -> Result<Result<Sale, NotASale>, Error> {
        let text = |place: usize| record.get(place).unwrap_or_default().trim().to_owned();
        let wrong = |column, value: &str| Error::Value {
            line: record.position().map_or(0, csv::Position::line),
            column,
            value: value.to_owned(),
        };
        let (invoice, customer) = (text(self.invoice), text(self.customer));
        let (quantity, price) = (text(self.quantity), text(self.price));
        let units: i64 = quantity.parse().map_err(|_| wrong("Quantity", &quantity))?;
        let pounds: Decimal = price.parse().map_err(|_| wrong("UnitPrice", &price))?;
        let not = match invoice.as_bytes() {
            [b'C', ..] => Some(NotASale::Cancellation),
            [b'A', ..] => Some(NotASale::Adjustment),
            _ if units <= 0 => Some(NotASale::Quantity),
            _ if pounds <= Decimal::ZERO => Some(NotASale::Price),
            _ if customer.is_empty() => Some(NotASale::Customer),
            _ => None,
        };
        if let Some(not) = not {
            return Ok(Err(not));
        }
        // The file writes whole numbers as 17850.0.
        let customer = customer.strip_suffix(".0").unwrap_or(&customer).to_owned();
        Ok(Ok(Sale {
            invoice,
            date: text(self.date),
            customer,
            code: text(self.code),
            description: text(self.description),
            quantity: units,
            price,
        }))
    }
}

/// Counts values, and answers the most frequent one.
#[derive(Default)]
struct Votes(Vec<(String, u64)>);

impl Votes {
    fn count(&mut self, value: String) {
        match self.0.iter_mut().find(|(known, _)| *known == value) {
            Some((_, votes)) => *votes += 1,
            None => self.0.push((value, 1)),
        }
    }

    /// The value with most votes; of several the first that was counted.
    fn winner(&self) -> Option<&str> {
        let most = self.0.iter().map(|(_, votes)| *votes).max()?;
        let winner = self.0.iter().find(|(_, votes)| *votes == most)?;
        Some(&winner.0)
    }
}

/// What the lines of one code say.
#[derive(Default)]
struct Product {
    codes: Votes,
    descriptions: Votes,
    prices: Votes,
    units: i64,
}

/// Writes the catalogue of all that was sold, in the order in which codes appear first.
///
/// # Errors
/// The input is not a file of these invoices, or the output cannot be written.
pub(crate) fn catalogue(input: impl Read, output: impl Write) -> Result<Summary, Error> {
    let mut products: Vec<Product> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut summary = Summary {
        sales: 0,
        products: 0,
        units: 0,
    };
    lines(input, |_, sale| {
        let Ok(sale) = sale else { return Ok(()) };
        let place = *places.entry(code_fold(&sale.code)).or_insert_with(|| {
            products.push(Product::default());
            products.len() - 1
        });
        let product = &mut products[place];
        product.codes.count(sale.code);
        if !sale.description.is_empty() {
            product.descriptions.count(sale.description);
        }
        product.prices.count(sale.price);
        product.units += sale.quantity;
        summary.sales += 1;
        summary.units += sale.quantity;
        Ok(())
    })?;
    let mut writer = WriterBuilder::new().from_writer(output);
    writer.write_record(COLUMNS)?;
    for product in &products {
        let code = product.codes.winner().unwrap_or_default();
        let name = product.descriptions.winner().unwrap_or(code);
        let price = product.prices.winner().unwrap_or_default();
        writer.write_record([code, name, price, &product.units.to_string()])?;
        summary.products += 1;
    }
    writer.flush()?;
    Ok(summary)
}

/// Writes the orders of all that was sold, and all other lines as they are, with the reason. A line of the input is in
/// exactly one of the two.
///
/// # Errors
/// The input is not a file of these invoices, or an output cannot be written.
pub(crate) fn orders(
    input: impl Read,
    orders: impl Write,
    others: impl Write,
) -> Result<OrdersSummary, Error> {
    let mut orders = WriterBuilder::new().from_writer(orders);
    let mut others = WriterBuilder::new().flexible(true).from_writer(others);
    let mut summary = OrdersSummary::default();
    orders.write_record(ORDER_COLUMNS)?;
    others.write_record(["line", "reason", "the columns of the line as they are"])?;
    lines(input, |record, sale| {
        summary.lines += 1;
        match sale {
            Ok(sale) => {
                summary.sales += 1;
                let quantity = sale.quantity.to_string();
                orders.write_record([
                    sale.invoice.as_str(),
                    &sale.date,
                    &sale.code,
                    &quantity,
                    &sale.price,
                    &sale.description,
                    &sale.customer,
                ])?;
            }
            Err(not) => {
                summary.others += 1;
                let line = record.position().map_or(0, csv::Position::line).to_string();
                let own = [line.as_str(), not.reason()].into_iter();
                others.write_record(own.chain(record.iter()))?;
            }
        }
        Ok(())
    })?;
    orders.flush()?;
    others.flush()?;
    Ok(summary)
}
