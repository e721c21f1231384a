import { Argument, Command } from 'commander'
import { bashScript } from './completion/bash.js'
import { fishScript } from './completion/fish.js'
import { completedCommands } from './completion/tree.js'
import { zshScript } from './completion/zsh.js'
import type { Terminal } from './terminal.js'

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const
type Shell = keyof typeof SCRIPTS

/**
 * `orthrus shell-init`: a script by which a shell completes commands, options and their values.
 * @param everyCommand loads all commands, of which the command line itself needs one
 */
export function shellInitCommand(terminal: Terminal, everyCommand: () => Promise<Command[]>): Command {
  return new Command('shell-init')
    .description('print a script by which your shell completes commands and options')
    .addArgument(new Argument('<shell>', 'which shell it is for').choices(Object.keys(SCRIPTS)))
    .addHelpText('after', HELP)
    .action(async (shell: Shell) => {
      const program = new Command('orthrus').option('-V, --version', 'output the version number')
      for (const command of await everyCommand()) program.addCommand(command)
      terminal.out(SCRIPTS[shell](completedCommands(program)))
    })
}

const HELP = `
In ~/.bashrc:                    eval "$(orthrus shell-init bash)"
In ~/.zshrc:                     eval "$(orthrus shell-init zsh)"
In ~/.config/fish/config.fish:   orthrus shell-init fish | source`
