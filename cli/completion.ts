/**
 * Completion scripts for bash, zsh and fish, made from the commands themselves.
 *
 * Pure. The scripts hold every word, so completing starts no process and works without a server.
 */

/** A command as completion needs it. */
export interface CommandWords {
  /** Words after "tidegatectl", e.g. ["class", "list"]; empty for the program itself. */
  readonly path: readonly string[];
  readonly summary: string;
  /** Subcommands of this one, or the words its argument may be. */
  readonly subcommands: readonly string[];
  /** Long options, e.g. "--json". */
  readonly options: readonly OptionWords[];
}

/** An option as completion needs it. */
export interface OptionWords {
  readonly long: string;
  readonly summary: string;
  /** Whether a value follows. */
  readonly hasValue: boolean;
  /** Whether that value is a file. */
  readonly isFile: boolean;
}

/** Shells there is a script for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
/** One of SHELLS. */
export type Shell = (typeof SHELLS)[number];

/** The script for a shell. */
export function completionScript(shell: Shell, commands: readonly CommandWords[]): string {
  switch (shell) {
    case "bash":
      return bashScript(commands);
    case "zsh":
      return zshScript(commands);
    case "fish":
      return fishScript(commands);
    default:
      return shell satisfies never;
  }
}

function bashScript(commands: readonly CommandWords[]): string {
  const cases = commands.map(({ path, subcommands, options }) => {
    const flags = options.map(({ long }) => long).join(" ");
    return `    "${path.join(" ")}") words="${subcommands.join(" ")}" flags="${flags}" ;;`;
  });
  const paths = knownPaths(commands);
  const valued = optionsOf(commands, (option) => option.hasValue);
  const files = optionsOf(commands, (option) => option.isFile);
  return `# Completion of tidegatectl for bash.
# Now:     source <(tidegatectl completion bash)
# Always:  tidegatectl completion bash > ~/.local/share/bash-completion/completions/tidegatectl
_tidegatectl() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local path="" words="" flags="" word i
  COMPREPLY=()
  case "$previous" in
    ${files.join("|")}|-f) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --output|-o) mapfile -t COMPREPLY < <(compgen -W "table json yaml" -- "$current"); return ;;
    ${valued.join("|")}) return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$word" in
      ${valued.join("|")}|-o|-f) ((i++)); continue ;;
    esac
    word="\${path:+$path }$word"
    case "$word" in
      ${paths.join("|")}) path="$word" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  case "$current" in
    -*) words="$flags" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _tidegatectl tidegatectl
`;
}

function zshScript(commands: readonly CommandWords[]): string {
  const byPath = new Map(commands.map((command) => [command.path.join(" "), command]));
  const cases = commands.map(({ path, subcommands, options }) => {
    const words = subcommands.map((name) => {
      const summary = byPath.get([...path, name].join(" "))?.summary ?? "";
      return zshQuote(summary === "" ? name : `${name}:${summary}`);
    });
    const flags = options.map(({ long, summary }) => zshQuote(`${long}:${summary}`));
    const pattern = zshQuote(path.join(" "));
    return `    (${pattern}) commands=(${words.join(" ")}) flags=(${flags.join(" ")}) ;;`;
  });
  const paths = knownPaths(commands);
  const valued = optionsOf(commands, (option) => option.hasValue);
  const files = optionsOf(commands, (option) => option.isFile);
  return `#compdef tidegatectl
# Completion of tidegatectl for zsh.
# Now:     source <(tidegatectl completion zsh)
# Always:  tidegatectl completion zsh > "\${fpath[1]}/_tidegatectl"
_tidegatectl() {
  local command_path="" word
  local -a commands flags
  local -i i
  case "$words[CURRENT-1]" in
    (${files.join("|")}|-f) _files; return ;;
    (--output|-o) compadd table json yaml; return ;;
    (${valued.join("|")}) return ;;
  esac
  for ((i = 2; i < CURRENT; i++)); do
    word="$words[i]"
    case "$word" in
      (${valued.join("|")}|-o|-f) ((i++)); continue ;;
    esac
    word="\${command_path:+$command_path }$word"
    case "$word" in
      (${paths.join("|")}) command_path="$word" ;;
    esac
  done
  case "$command_path" in
${cases.join("\n")}
  esac
  if [[ "$words[CURRENT]" == -* ]]; then
    _describe option flags
  else
    _describe command commands
  fi
}
if [[ "$funcstack[1]" == _tidegatectl ]]; then
  _tidegatectl "$@"
else
  compdef _tidegatectl tidegatectl
fi
`;
}

function fishScript(commands: readonly CommandWords[]): string {
  const byPath = new Map(commands.map((command) => [command.path.join(" "), command]));
  const lines = commands.flatMap(({ path, subcommands, options }) => {
    const condition = fishCondition(path, subcommands);
    const commandLines = subcommands.map((name) => {
      const summary = byPath.get([...path, name].join(" "))?.summary ?? "";
      return `complete -c tidegatectl -f -n ${condition} -a ${name} -d ${quote(summary)}`;
    });
    const optionLines = options.map(({ long, summary, hasValue, isFile }) => {
      const value = hasValue ? (isFile ? " -r -F" : " -x") : "";
      const name = long.slice(2);
      return `complete -c tidegatectl -n ${condition} -l ${name}${value} -d ${quote(summary)}`;
    });
    return [...commandLines, ...optionLines];
  });
  return `# Completion of tidegatectl for fish.
# Always:  tidegatectl completion fish > ~/.config/fish/completions/tidegatectl.fish
${lines.join("\n")}
`;
}

function fishCondition(path: readonly string[], subcommands: readonly string[]): string {
  const last = path.at(-1);
  if (last === undefined) return "__fish_use_subcommand";
  const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ");
  if (subcommands.length === 0) return quote(seen);
  return quote(`${seen}; and not __fish_seen_subcommand_from ${subcommands.join(" ")}`);
}

/** Every command as a shell pattern: "class list". */
function knownPaths(commands: readonly CommandWords[]): string[] {
  return commands.filter(({ path }) => path.length > 0).map(({ path }) => `"${path.join(" ")}"`);
}

function optionsOf(
  commands: readonly CommandWords[],
  isWanted: (option: OptionWords) => boolean,
): string[] {
  const found = commands.flatMap(({ options }) => options.filter(isWanted));
  return [...new Set(found.map(({ long }) => long))];
}

/** In zsh nothing is special between single quotes, so a quote ends, escapes and begins again. */
function zshQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** As fish reads single quotes. */
function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
