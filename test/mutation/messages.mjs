import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin'

/**
 * Leaves the wording of errors alone: sentences for a log, which tests that compared them letter by letter would
 * only write down twice. Codes, labels and every other text are mutated.
 */

const WORDING = { TypeError: 0, malformed: 0, OrthrusError: 1, ticketInvalid: 1, denied: 0, unknown: 0 }

const messages = {
  shouldIgnore({ node, parentPath }) {
    if (node.type !== 'StringLiteral' && node.type !== 'TemplateLiteral') return undefined
    const call = parentPath?.node
    if (call?.type !== 'NewExpression' && call?.type !== 'CallExpression') return undefined
    const isWording = call.arguments.indexOf(node) === WORDING[call.callee.name]
    return isWording ? 'the wording of an error' : undefined
  },
}

export const strykerPlugins = [declareValuePlugin(PluginKind.Ignore, 'messages', messages)]
