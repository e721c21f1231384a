import { readdir, readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { extname, join } from 'node:path'

/** Serves files, as every server of files does. What matters are its headers. */

/** The addresses that the page is told (`Places` in web/session.ts), and that it alone may connect to. */
export interface Places {
  readonly kdc: string
  readonly realm: string
  readonly orders: string
}

/**
 * Only scripts and styles that are files of this site, no text that becomes a script, no connection but to the KDC and the
 * service, and no other site that has the page in a frame.
 */
function policyFor({ kdc, orders }: Places): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `connect-src 'self' ${kdc} ${orders} ${orders.replace('http', 'ws')}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ')
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.json': 'application/json',
}

/**
 * @param folder what the bundler wrote
 * @param places asked for each request
 */
export async function createSite(folder: string, places: () => Places): Promise<Server> {
  const files = await filesIn(folder)
  return createServer((req, res) => {
    // Not by `new URL`, which throws for what anybody may send, such as `//`.
    const [asked = '/'] = (req.url ?? '/').split('?')
    const path = asked === '/' ? '/index.html' : asked
    const body = path === '/places.json' ? JSON.stringify(places()) : files.get(path)
    if (body === undefined) return res.writeHead(404).end()
    return res
      .writeHead(200, {
        'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
        'content-security-policy': policyFor(places()),
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        // The names of assets say what is in them.
        'cache-control': path.startsWith('/assets/') ? 'max-age=31536000, immutable' : 'no-cache',
      })
      .end(body)
  })
}

/** All of them, read once, so that no path of a request reaches the disk. */
async function filesIn(folder: string): Promise<Map<string, Buffer>> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = found.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const read = async (path: string): Promise<[string, Buffer]> => {
    const name = path.slice(folder.length).replaceAll('\\', '/')
    return [name, await readFile(path)]
  }
  return new Map(await Promise.all(paths.map(read)))
}
