import { Command } from 'commander'
import { callProxyCommand } from './proxy/call-command.js'
import { serveProxyCommand } from './proxy/serve-command.js'
import type { Terminal } from './terminal.js'

/**
 * `orthrus proxy` is for programs that speak HTTP, unchanged (docs/unchanged-programs.md). Both ends run until SIGTERM or
 * SIGINT. Then they take no more requests, and answer those that are under way.
 */
export function proxyCommand(terminal: Terminal): Command {
  return new Command('proxy')
    .description('stand in front of a program that speaks HTTP, or beside one that calls')
    .addCommand(serveProxyCommand(terminal))
    .addCommand(callProxyCommand(terminal))
}
