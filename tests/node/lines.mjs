// A published client as a program: each line of standard input is a call, each line of standard output its outcome.
//
//   {"client": {…}, "call": "get", "given": {"unified_api": "crm", "service_id": "pipedrive"}}
//   {"data": {…}}  or  {"error": {"type": "NotFoundResponse", "status": 404, "message": "Unknown Connector"}}
import { createInterface } from 'node:readline'

/**
 * Answers until there is no more input. `connect` makes a client's Vault API of the settings in a line, `calls` has a
 * function for each call, `read` takes the data out of what it gives, `explain` tells what it throws.
 */
export async function answer({ connect, calls, read, explain }) {
  const outcome = async ({ client, call, given }) => {
    try {
      return { data: read(await calls[call](connect(client), given)) ?? null }
    } catch (error) {
      return { error: await explain(error) }
    }
  }
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await outcome(JSON.parse(line))))
  }
}
