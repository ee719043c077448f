//! The partitions of AWS: parts that share no accounts, each with regions, resource names and servers of its own.

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partition {
    /// What resource names call it: `arn:NAME:…`.
    pub(crate) name: &'static str,
    /// How the names of its regions begin.
    pub(crate) beginning: &'static str,
    /// What the names of its servers end with.
    pub(crate) suffix: &'static str,
}

/// The partition of regions that are in no other.
pub(crate) const USUAL: Partition = partition("aws", "", "amazonaws.com");

/// The others, as AWS's own clients know them (`partitions.json`).
pub(crate) const OTHERS: [Partition; 7] = [
    partition("aws-cn", "cn-", "amazonaws.com.cn"),
    partition("aws-us-gov", "us-gov-", "amazonaws.com"),
    partition("aws-eusc", "eusc-", "amazonaws.eu"),
    partition("aws-iso", "us-iso-", "c2s.ic.gov"),
    partition("aws-iso-b", "us-isob-", "sc2s.sgov.gov"),
    partition("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk"),
    partition("aws-iso-f", "us-isof-", "csp.hci.ic.gov"),
];

const fn partition(name: &'static str, beginning: &'static str, suffix: &'static str) -> Partition {
    Partition {
        name,
        beginning,
        suffix,
    }
}

impl Partition {
    /// The one that a region is in.
    pub(crate) fn of_region(region: &str) -> Self {
        let mut others = OTHERS.into_iter();
        others
            .find(|other| region.starts_with(other.beginning))
            .unwrap_or(USUAL)
    }

    /// The one of a name, as resource names have it. One that nobody knows is taken for the usual one.
    pub(crate) fn named(name: &str) -> Self {
        let mut others = OTHERS.into_iter();
        others.find(|other| other.name == name).unwrap_or(USUAL)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_apigateway::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};

    use super::*;

    /// A region of each partition.
    const REGIONS: [(&str, &str); 10] = [
        ("eu-central-1", "aws"),
        ("us-west-2", "aws"),
        ("mx-central-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("eusc-de-east-1", "aws-eusc"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("us-isof-south-1", "aws-iso-f"),
    ];

    #[test]
    fn each_region_is_in_one_partition() {
        for (region, name) in REGIONS {
            assert_eq!(Partition::of_region(region).name, name);
            assert_eq!(Partition::named(name), Partition::of_region(region));
        }
    }

    #[tokio::test]
    async fn servers_are_called_as_awss_own_client_calls_them() {
        for (region, _) in REGIONS {
            let params = Params::builder().region(region).build().unwrap();
            let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.unwrap();
            let suffix = Partition::of_region(region).suffix;
            assert_eq!(endpoint.url(), format!("https://apigateway.{region}.{suffix}"));
        }
    }
}
