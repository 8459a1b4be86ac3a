//! Fills `assets`: the currencies of ISO 4217 with their exponents, and crypto assets with the scale that is traded.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Codes of assets with a scale.
struct Group {
    kind: &'static str,
    scale: i32,
    codes: &'static str,
}

/// ISO 4217 (amendment 177): minor units of each currency in use.
const GROUPS: &[Group] = &[
    Group {
        kind: "FIAT",
        scale: 0,
        codes: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    },
    Group {
        kind: "FIAT",
        scale: 3,
        codes: "BHD IQD JOD KWD LYD OMR TND",
    },
    Group {
        kind: "FIAT",
        scale: 2,
        codes: "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF \
                CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL \
                HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP \
                MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD \
                SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS \
                VES WST XCD YER ZAR ZMW",
    },
    Group {
        kind: "CRYPTO",
        scale: 8,
        codes: "BTC ETH LTC SOL DOGE",
    },
    Group {
        kind: "CRYPTO",
        scale: 6,
        codes: "XRP USDC USDT",
    },
];

/// Signs that people know; other assets are shown by their code.
#[rustfmt::skip]
const SYMBOLS: &[(&str, &str)] = &[
    ("GBP", "£"), ("USD", "$"), ("EUR", "€"), ("JPY", "¥"), ("CNY", "CN¥"), ("INR", "₹"),
    ("KRW", "₩"), ("VND", "₫"), ("ILS", "₪"), ("NGN", "₦"), ("PHP", "₱"), ("UAH", "₴"),
    ("TRY", "₺"), ("PYG", "₲"), ("THB", "฿"), ("IDR", "Rp"), ("BRL", "R$"), ("AUD", "A$"),
    ("CAD", "CA$"), ("NZD", "NZ$"), ("HKD", "HK$"), ("TWD", "NT$"), ("MXN", "MX$"), ("PLN", "zł"),
    ("CZK", "Kč"), ("HUF", "Ft"), ("CHF", "CHF"), ("BTC", "₿"), ("ETH", "Ξ"), ("KZT", "₸"),
    ("GEL", "₾"), ("AZN", "₼"), ("CRC", "₡"), ("GHS", "₵"), ("KHR", "៛"), ("LAK", "₭"),
    ("MNT", "₮"), ("RUB", "₽"), ("SGD", "S$"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut insert = Query::insert();
        insert
            .into_table("assets")
            .columns(["code", "kind", "scale", "symbol"]);
        for group in GROUPS {
            for code in group.codes.split_whitespace() {
                let symbol = SYMBOLS
                    .iter()
                    .find(|(of, _)| *of == code)
                    .map_or(code, |(_, symbol)| *symbol);
                insert.values_panic([
                    code.into(),
                    group.kind.into(),
                    group.scale.into(),
                    symbol.into(),
                ]);
            }
        }
        manager.execute(insert).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .execute(Query::delete().from_table("assets").take())
            .await
    }
}
