import { createHash } from 'node:crypto'

/** The part of a client of `ioredis` or `iovalkey` that is used: `Redis`, or `Cluster`. */
export interface IoredisClient {
  evalsha(sha1: string, numkeys: number, ...args: string[]): Promise<unknown>
  eval(script: string, numkeys: number, ...args: string[]): Promise<unknown>
}

/** The part of a client of `redis` (node-redis) that is used: of `createClient`, `createCluster` and the like. */
export interface NodeRedisClient {
  evalSha(sha1: string, options: ScriptArguments): Promise<unknown>
  eval(script: string, options: ScriptArguments): Promise<unknown>
}

/** Mutable as node-redis has them. */
interface ScriptArguments {
  keys: string[]
  arguments: string[]
}

export type RedisClient = IoredisClient | NodeRedisClient

/** Runs a script. Rejects with whatever the client rejects with. */
export type RunScript = (script: Script, keys: string[], args: string[]) => Promise<unknown>

export interface Script {
  readonly text: string
  /** By which a server remembers it. A name, and nothing that is relied on. */
  readonly sha1: string
}

export function scriptOf(text: string): Script {
  return { text, sha1: createHash('sha1').update(text).digest('hex') }
}

/** @throws TypeError if it is neither client */
export function runnerOf(client: RedisClient): RunScript {
  if (isIoredis(client)) {
    return orWhole(
      ({ sha1 }, keys, args) => client.evalsha(sha1, keys.length, ...keys, ...args),
      ({ text }, keys, args) => client.eval(text, keys.length, ...keys, ...args),
    )
  }
  if (!isNodeRedis(client)) {
    throw new TypeError(
      'client of createRedisReplayCache is a client of ioredis, iovalkey or redis, and no promise of one: await createClient({ url }).connect()',
    )
  }
  return orWhole(
    ({ sha1 }, keys, args) => client.evalSha(sha1, { keys, arguments: args }),
    ({ text }, keys, args) => client.eval(text, { keys, arguments: args }),
  )
}

/** A server that does not know the script by its name has run nothing, and learns it. */
function orWhole(byName: RunScript, whole: RunScript): RunScript {
  return async (script, keys, args) => {
    try {
      return await byName(script, keys, args)
    } catch (cause) {
      if (!(cause instanceof Error) || !cause.message.startsWith('NOSCRIPT')) throw cause
      return await whole(script, keys, args)
    }
  }
}

function isIoredis(client: unknown): client is IoredisClient {
  return hasFunction(client, 'evalsha') && hasFunction(client, 'eval')
}

function isNodeRedis(client: unknown): client is NodeRedisClient {
  return hasFunction(client, 'evalSha') && hasFunction(client, 'eval')
}

function hasFunction(client: unknown, name: string): boolean {
  return (
    typeof client === 'object' &&
    client !== null &&
    typeof (client as Record<string, unknown>)[name] === 'function'
  )
}
