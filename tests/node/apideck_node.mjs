// npm @apideck/node, only pointed at the vault.
import { Apideck } from '@apideck/node'
import { answer } from './lines.mjs'

const calls = {
  list: (vault, { unified_api, configured }) => vault.connectionsAll({ api: unified_api, configured }),
  get: (vault, given) => vault.connectionsOne(request(given)),
  update: (vault, given) => vault.connectionsUpdate(request(given)),
  delete: (vault, given) => vault.connectionsDelete(request(given)),
  import: (vault, given) => vault.connectionsImport(request(given)),
  token: (vault, given) => vault.connectionsToken({ ...request(given), body: {} }),
  validate: (vault, given) => vault.validateConnectionState({ ...request(given), body: {} }),
  settings: (vault, given) => vault.connectionSettingsAll(request(given)),
  update_settings: (vault, given) => vault.connectionSettingsUpdate(request(given)),
  custom_fields: (vault, given) => vault.customFieldsAll(request(given)),
}

/** It tries nothing twice and has no time-out of its own; its requests are those of `fetch`, which takes one. */
function connect({ url, key, application, consumer, patience }) {
  const { vault } = new Apideck({ basePath: url, apiKey: key, appId: application, consumerId: consumer })
  return vault.withPreMiddleware(async ({ url, init }) => ({
    url,
    init: { ...init, signal: AbortSignal.timeout(patience) },
  }))
}

function request({ unified_api, service_id, resource, connection }) {
  const { configuration: _configuration, credentials, ...members } = connection ?? {}
  const issued_at = credentials?.issued_at && new Date(credentials.issued_at)
  return {
    unifiedApi: unified_api,
    serviceId: service_id,
    resource,
    connection: { ...members, _configuration, credentials: credentials && { ...credentials, issued_at } },
  }
}

const told = ({ _configuration: configuration, ...members }) => ({ ...members, configuration })
const read = (response) => response && (Array.isArray(response.data) ? response.data.map(told) : told(response.data))

/** What it throws for an error is the answer itself, read or not. */
async function explain(error) {
  const type = error.constructor.name
  if (error instanceof Error) return { type, status: null, message: error.message }
  const { message } = await error.json().catch(() => ({ message: error.statusText }))
  return { type, status: error.status, message }
}

await answer({ connect, calls, read, explain })
