"""`POST /oauth2/token`: the wire API's tokens by OAuth's standards, for agents without an AWS SDK.

A client is an access key. It gets a workload access token for itself (client credentials, RFC 6749
section 4.4) or for a person whose token it has (token exchange, RFC 8693), and exchanges that for a
provider's access token. What is behind it are the services of the wire API, with their records.
"""
