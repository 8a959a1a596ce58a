"""EC2 keys in two places: `ec2_credential` of Grizzly and the `type='ec2'` rows of `credential` of Havana."""
