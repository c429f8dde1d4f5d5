// npm @apideck/unify, only pointed at the vault.
import { Apideck } from '@apideck/unify'
import { answer } from './lines.mjs'

const calls = {
  list: (vault, { unified_api: api, configured }) => vault.connections.list({ api, configured }),
  get: (vault, given) => vault.connections.get(request(given)),
  update: (vault, given) => vault.connections.update(request(given)),
  delete: (vault, given) => vault.connections.delete(request(given)),
  import: (vault, given) => vault.connections.imports(request(given)),
  token: (vault, given) => vault.connections.token(request(given)),
  validate: (vault, given) => vault.validateConnection.state(request(given)),
  settings: (vault, given) => vault.connectionSettings.list(request(given)),
  update_settings: (vault, given) => vault.connectionSettings.update(request(given)),
  custom_fields: (vault, given) => vault.customFields.list(request(given)),
}

/** Unless it is told otherwise, it tries again for a quarter of an hour. */
function connect({ url, key, application, consumer, patience, retries }) {
  const retryConfig = retries ? undefined : { strategy: 'none' }
  const pointed = { serverURL: url, apiKey: key, appId: application, consumerId: consumer }
  return new Apideck({ ...pointed, timeoutMs: patience, retryConfig }).vault
}

const request = ({ unified_api, service_id, resource, connection }) => ({
  unifiedApi: unified_api,
  serviceId: service_id,
  resource,
  connection,
  connectionImportData: connection && { ...connection, credentials: credentials(connection) },
})

function credentials({ credentials: given }) {
  if (given === undefined) return undefined
  const { access_token: accessToken, refresh_token: refreshToken, issued_at, expires_in: expiresIn } = given
  return { accessToken, refreshToken, issuedAt: issued_at && new Date(issued_at), expiresIn }
}

/** Beside the exchange, a result has one member: what was answered, unless that was nothing. */
function read({ httpMeta, ...answered }) {
  const [response] = Object.values(answered)
  return response && spelled(response.data)
}

/** `value` with the names that the API has for its members. */
function spelled(value) {
  if (Array.isArray(value)) return value.map(spelled)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [snake(name), spelled(member)]))
}

const snake = (name) => name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`)

const explain = (error) => ({
  type: error.constructor.name,
  status: error.httpMeta?.response.status ?? null,
  message: error.message,
})

await answer({ connect, calls, read, explain })
