// oidc-provider as it is published, on a free port: `{"url": …}` on standard output, then it serves until its
// standard input ends. Clients register themselves (RFC 7591); `extraClientMetadata` are the habits of a provider that
// a test chooses per client. GET /events tells what the server itself says happened; what it issued is told by value,
// so that a test can ask it later whether that is still good (RFC 7662).
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { Provider } from 'oidc-provider'

const FORTNIGHT = 14 * 24 * 3600
const LEAD_FIELDS = [{ key: 'a1f2c3', name: 'Preferred colour' }, { key: 'b7d8e9', name: 'Shoe size' }]
const TOLD = [
  'authorization_code.consumed', 'access_token.saved', 'access_token.destroyed', 'refresh_token.saved',
  'refresh_token.consumed', 'refresh_token.destroyed', 'grant.success', 'grant.error', 'grant.revoked', 'server_error',
]
const random = () => randomBytes(9).toString('base64url')

const configuration = {
  features: {
    devInteractions: { enabled: true }, // any login and password, then a consent page
    introspection: { enabled: true },
    registration: {
      enabled: true,
      // Characters that Basic credentials may hold only in form encoding (RFC 6749 section 2.3.1).
      idFactory: () => `acme:${random()}`,
      secretFactory: () => `p%2B a+b/=& ${random()}`,
    },
    revocation: { enabled: true },
  },
  claims: { openid: ['sub'], 'leads:read': ['lead_fields'] },
  clockTolerance: 0,
  cookies: { keys: [random()] },
  extraClientMetadata: { properties: ['rotates', 'insists_on_pkce'] },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, lead_fields: LEAD_FIELDS }) }),
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  pkce: { required: (ctx, client) => client.insists_on_pkce },
  rotateRefreshToken: (ctx) => ctx.oidc.client.rotates,
  scopes: ['openid', 'leads:read'],
  ttl: { AccessToken: 3600, AuthorizationCode: 60, Grant: FORTNIGHT, IdToken: 3600, Interaction: 600,
    RefreshToken: FORTNIGHT, Session: FORTNIGHT },
}

const events = []
const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(url, configuration)
  for (const name of TOLD) provider.on(name, (...about) => events.push(told(name, about)))
  const answer = provider.callback()
  server.on('request', (request, response) =>
    request.url === '/events' ? response.end(JSON.stringify(events)) : answer(request, response))
  console.log(JSON.stringify({ url }))
})
process.stdin.resume().on('end', () => process.exit())

/** An event's arguments are a token, or the request's context and what was thrown. */
function told(name, [subject, error]) {
  const { client, params } = subject.oidc ?? {}
  return {
    name,
    client_id: client?.clientId ?? subject.clientId,
    token: subject.jti,
    grant_type: params?.grant_type,
    error: error?.error,
  }
}
