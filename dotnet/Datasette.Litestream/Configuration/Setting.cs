namespace Datasette.Litestream.Configuration;

/// <summary>The definition of one setting.</summary>
/// <param name="Key">Its key in Datasette's configuration.</param>
/// <param name="Kind">The kind of its value.</param>
/// <param name="ReleaseLines">The release lines whose <c>litestream.yml</c> gets it; the other release line has no such
/// setting. None for a setting that the plugin itself uses.</param>
/// <param name="Description">Its description in the documentation.</param>
internal sealed record Setting(string Key, SettingKind Kind, ReleaseLine ReleaseLines, string Description)
{
    /// <summary>Other keys that are read as this one: names that the plugin of the same name gives it from 0.3 on.</summary>
    public string[] OtherNames { get; init; } = [];

    /// <summary>
    /// The default, as a value of its kind; null if only a sentence can describe it. For a setting that Litestream gets, it is
    /// Litestream's default.
    /// </summary>
    public object? Default { get; init; }

    /// <summary>The minimum of a <see cref="SettingKind.Count"/> or <see cref="SettingKind.Size"/>.</summary>
    public long Min { get; init; }

    /// <summary>The minimum of a <see cref="SettingKind.Duration"/>; null if there is none.</summary>
    public TimeSpan? Shortest { get; init; }

    /// <summary>The maximum of a <see cref="SettingKind.Duration"/>; null if there is none.</summary>
    public TimeSpan? Max { get; init; }

    /// <summary>Whether a <see cref="SettingKind.Duration"/> may also be <c>off</c>, which is <see cref="Timeout.InfiniteTimeSpan"/>.</summary>
    public bool MayBeOff { get; init; }

    /// <summary>The allowed values of a <see cref="SettingKind.Choice"/>.</summary>
    public string[] Choices { get; init; } = [];

    /// <summary>The settings in a <see cref="SettingKind.Mapping"/>.</summary>
    public SettingsScope? Members { get; init; }

    /// <summary>The key of its nearest equivalent in 0.5, if that differs; after a dot if it is in a mapping there.</summary>
    public string? KeyIn05 { get; init; }

    /// <summary>Whether its value, or each item of it, must never be shown.</summary>
    public bool IsSecret => Kind is SettingKind.Secret or SettingKind.SecretList or SettingKind.SecretUrl;

    /// <summary>Whether part of its value must never be shown.</summary>
    public bool HoldsSecret => IsSecret || Members?.All.Any(member => member.IsSecret) == true;

    /// <summary>Its key in the <c>litestream.yml</c> of a release line that gets it.</summary>
    public string KeyIn(ReleaseLine releaseLine) => releaseLine == ReleaseLine.V05 ? KeyIn05 ?? Key : Key;
}
