// Starts `aesm lsp` for the specs of a workspace. All that it knows of the language is in the server.
"use strict";

const { window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function activate() {
  const [command, ...args] = workspace.getConfiguration("aesm").get("command");
  const folder = workspace.workspaceFolders?.[0]?.uri.fsPath;
  client = new LanguageClient(
    "aesm",
    "aesm",
    { command, args: [...args, "lsp"], options: { cwd: folder } },
    {
      documentSelector: [
        { scheme: "file", language: "aesm" },
        { scheme: "untitled", language: "aesm" },
      ],
      synchronize: { fileEvents: workspace.createFileSystemWatcher("**/*.aesm") },
    },
  );
  try {
    await client.start();
  } catch (error) {
    window.showErrorMessage(
      `\`${[command, ...args].join(" ")} lsp\` did not start: ${error.message}. ` +
        'Install it with `pip install "aesm-dsl[editor]"`, or name it in the setting `aesm.command`.',
    );
  }
}

async function deactivate() {
  await client?.stop();
}

module.exports = { activate, deactivate };
