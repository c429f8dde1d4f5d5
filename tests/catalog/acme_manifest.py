"""A manifest that uses most words, for tests to change."""

ACME = """\
schema: 1
id: acme
name: Acme CRM
website: https://acme.example.com/
unified_apis:
  crm:
    resources: {contacts: [all, one], leads: []}
    scopes: [contacts.read]
    config:
      leads:
        - id: owner_id
          label: Owner
          type: select
          options_from: {request: {path: /users}, items: $.data, value: id, label: name}
hosts: [login.acme.example.com, "*.acme.example.net"]
settings:
  - {id: region, label: Region, type: select, options: [eu, us], before_authorize: true}
  - id: api_key
    label: API key
    type: password
    description: Ask your administrator in region {{region}}.
  - {id: instance_url, label: Instance, type: url, hidden: true, filled_by: token}
  - {id: company_id, label: Company, hidden: true, filled_by: callback}
  - {id: plan, label: Plan, hidden: true, filled_by: after_connect}
  - {id: partner_id, label: Partner, level: integration}
auth:
  type: oauth2
  oauth:
    client: {auth: basic}
    authorize:
      url: https://{region}.acme.example.com/oauth/authorize
      params: {audience: api}
    callback:
      capture: {company_id: company}
    token:
      url: https://login.acme.example.com/oauth/token
      response:
        expires: {path: expires_at, as: epoch_s}
        capture: {instance_url: data.instance}
    refresh: {rotation: strict, access_lifetime: 3600}
    revoke: {url: https://login.acme.example.com/oauth/revoke}
request:
  base_url: "{instance_url}/v1"
  auth:
    - {value: "Bearer {cred.access_token}"}
  headers: {X-Partner: "{app.partner_id}"}
after_connect:
  - request: {path: /me}
    capture: {plan: $.plan.name}
verify:
  request: {method: POST, path: /check, json: {query: "{{me}}"}}
  body: {path: ok, equals: true}
custom_fields:
  "*":
    request: {path: "/{resource.object}/fields"}
    items: $
    map: {id: key, name: label}
resources:
  leads: {object: lead}
verified:
  by: vendor documentation
  on: 2026-01-31
  unverified: [auth.oauth.revoke, settings.region.options]
"""
