//! The address of a cluster as a person writes it.
//!
//! Left out: database names and options in it.

use psdb_core::{Address, Error, Result};

/// Reads `psdb://host:port,host:port`; the scheme may be left out.
///
/// # Errors
///
/// [`Error::InvalidRequest`] naming the part that is wrong.
///
/// # Examples
///
/// ```
/// let seeds = psdb::client::parse_url("psdb://db1:50050,[::1]:50051")?;
/// assert_eq!(seeds, ["db1:50050".into(), "[::1]:50051".into()]);
/// assert!(psdb::client::parse_url("psdb://db1").is_err());
/// # Ok::<(), psdb::Error>(())
/// ```
pub fn parse_url(url: &str) -> Result<Vec<Address>> {
    let invalid = |reason: String| Error::InvalidRequest {
        reason: format!("'{url}' is not the address of a cluster: {reason}"),
    };
    let list = match url.split_once("://") {
        Some(("psdb", list)) => list,
        Some((scheme, _)) => return Err(invalid(format!("the scheme is '{scheme}', not 'psdb'"))),
        None => url,
    };
    let list = list.trim_end_matches('/');
    list.split(',').map(|part| check(part.trim()).map_err(&invalid)).collect()
}

fn check(part: &str) -> std::result::Result<Address, String> {
    let (host, port) = part.rsplit_once(':').ok_or(format!("'{part}' has no port"))?;
    let port: u16 = port.parse().map_err(|_| format!("'{port}' is not a port"))?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let plain = !host.contains([':', '/', '@', '[', ']', ' ']);
    if host.is_empty() || port == 0 || !(bracketed || plain) {
        return Err(format!("'{part}' is not host:port"));
    }
    Ok(Address::from(part))
}

#[cfg(test)]
mod tests {
    //! Proves that slips are refused with the part they are in.

    use super::parse_url;

    #[test]
    fn slips_are_named() {
        for (url, said) in [
            ("http://a:1", "'http'"),
            ("psdb://a:1,b", "'b' has no port"),
            ("a:0", "'a:0' is not host:port"),
            ("a:70000", "'70000' is not a port"),
            ("::1:50", "'::1:50' is not host:port"),
            ("", "'' has no port"),
        ] {
            let error = parse_url(url).expect_err(url).to_string();
            assert!(error.contains(said), "{url}: {error}");
        }
        assert_eq!(parse_url("psdb://a:1, b:2/").map(|seeds| seeds.len()), Ok(2));
    }
}
