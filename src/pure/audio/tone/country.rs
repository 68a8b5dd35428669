//! The countries whose tones we know.

use crate::pure::ids::PhoneNumber;

/// A country, or a group of them, whose tones we know.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Country {
    /// The United States, Canada and the rest of +1.
    #[default]
    NorthAmerica,
    /// The United Kingdom.
    UnitedKingdom,
    /// Ireland.
    Ireland,
    /// France.
    France,
    /// Germany.
    Germany,
    /// Austria.
    Austria,
    /// Switzerland.
    Switzerland,
    /// Belgium.
    Belgium,
    /// The Netherlands.
    Netherlands,
    /// Italy.
    Italy,
    /// Spain.
    Spain,
    /// Portugal.
    Portugal,
    /// Sweden.
    Sweden,
    /// Australia.
    Australia,
    /// New Zealand.
    NewZealand,
    /// Japan.
    Japan,
}

/// Every country, with its ISO 3166 code and the prefix of its numbers.
const COUNTRIES: [(Country, &str, &str); 16] = [
    (Country::NorthAmerica, "US", "+1"),
    (Country::UnitedKingdom, "GB", "+44"),
    (Country::Ireland, "IE", "+353"),
    (Country::France, "FR", "+33"),
    (Country::Germany, "DE", "+49"),
    (Country::Austria, "AT", "+43"),
    (Country::Switzerland, "CH", "+41"),
    (Country::Belgium, "BE", "+32"),
    (Country::Netherlands, "NL", "+31"),
    (Country::Italy, "IT", "+39"),
    (Country::Spain, "ES", "+34"),
    (Country::Portugal, "PT", "+351"),
    (Country::Sweden, "SE", "+46"),
    (Country::Australia, "AU", "+61"),
    (Country::NewZealand, "NZ", "+64"),
    (Country::Japan, "JP", "+81"),
];

impl Country {
    /// Reads an ISO 3166 code, such as `US`, `CA` or `fr`.
    #[must_use]
    pub fn parse(code: &str) -> Option<Country> {
        if code.eq_ignore_ascii_case("CA") {
            return Some(Country::NorthAmerica);
        }
        let found = COUNTRIES
            .iter()
            .find(|(_, iso, _)| code.eq_ignore_ascii_case(iso))?;
        Some(found.0)
    }

    /// Returns the codes that [`Country::parse`] knows.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        COUNTRIES.iter().map(|(_, iso, _)| *iso).chain(["CA"])
    }

    /// Returns every country.
    pub fn all() -> impl Iterator<Item = Country> {
        COUNTRIES.iter().map(|(country, _, _)| *country)
    }

    /// Returns the country of a number; that of one which we do not know is North America.
    #[must_use]
    pub fn of_number(number: &PhoneNumber) -> Country {
        COUNTRIES
            .iter()
            .find(|(_, _, prefix)| number.as_str().starts_with(prefix))
            .map_or(Country::NorthAmerica, |(country, _, _)| *country)
    }

    /// Returns a small number that stands for the country; [`Country::from_index`] turns it back.
    #[must_use]
    pub fn index(self) -> u8 {
        COUNTRIES
            .iter()
            .position(|(country, _, _)| *country == self)
            .map_or(0, |index| index as u8)
    }

    /// Returns the country of a number that [`Country::index`] gave.
    #[must_use]
    pub fn from_index(index: u8) -> Option<Country> {
        COUNTRIES
            .get(usize::from(index))
            .map(|(country, _, _)| *country)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_known_by_code_and_by_number() {
        assert_eq!(Country::parse("ca"), Some(Country::NorthAmerica));
        assert_eq!(Country::parse("FR"), Some(Country::France));
        assert_eq!(Country::parse("XX"), None);
        for country in Country::all() {
            assert_eq!(Country::from_index(country.index()), Some(country));
        }
        for code in Country::codes() {
            assert!(Country::parse(code).is_some(), "{code}");
        }
        let number = |text| PhoneNumber::parse(text).expect("valid");
        assert_eq!(
            Country::of_number(&number("+353123456789")),
            Country::Ireland
        );
        assert_eq!(
            Country::of_number(&number("+351123456789")),
            Country::Portugal
        );
        assert_eq!(
            Country::of_number(&number("+15145550100")),
            Country::NorthAmerica
        );
        assert_eq!(
            Country::of_number(&number("+999123456789")),
            Country::NorthAmerica
        );
    }
}
